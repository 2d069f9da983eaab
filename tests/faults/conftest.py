"""Services of the test's own, started in ways of their own."""

from collections.abc import Callable, Iterator

import pytest

from tests.image_server import ImageServer
from tests.running import Service


@pytest.fixture
def start(stored: Callable[[str], str], images: ImageServer) -> Iterator[Callable[..., Service]]:
    """Starts a service of this class with these settings; ends it if the test has not."""
    started: list[Service] = []

    def begin(kind: type[Service], **settings: str) -> Service:
        patient = {"CLIP_DOWNLOAD_TIMEOUT_S": "60", "CLIP_UPLOAD_TIMEOUT_S": "600"}
        settings = {"CLIP_ALLOW_PRIVATE_HOSTS": images.host} | patient | settings
        settings["CLIP_MODEL"] = stored("tiny")
        started.append(kind(settings).__enter__())
        return started[-1]

    yield begin
    for service in started:
        service.__exit__()
