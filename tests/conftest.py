"""Real models in a store of their own, a real image server, a real ``bentoml serve``."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests import stores

ROOT = Path(__file__).parent.parent

# Before anything imports bentoml, which reads them once.
os.environ["BENTOML_HOME"] = str(ROOT / ".cache" / f"store-{stores.digest()}")
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service

# A slow machine is no failure: by default an example that takes 200 ms is one.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

IMPORTS = {
    "tiny": ["--model", "tests/models/tiny.json", "--weights", "random"],
    "tiny_views": ["--model", "tests/models/tiny.json", "--weights", "random", "--views"],
    "tiny_text": ["--model", "tests/models/tiny_text.json", "--weights", "random", "--text"],
    "efficientnet_lite0": ["--starter"],
    "openclip_vit_b32_random": ["--weights", "random"],
}


def run_import(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs import_model.py as a user would."""
    return subprocess.run(
        [sys.executable, "import_model.py", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def stored() -> Callable[[str], str]:
    """Makes sure that one of ``IMPORTS`` is in the store; answers its name."""
    from clip_ranker.errors import ModelNotFoundError
    from clip_ranker.models import store

    def ensure(name: str) -> str:
        # Tests run in several processes, of which one imports and the others wait.
        with FileLock(ROOT / ".cache" / f"{name}.lock"):
            try:
                store.load(name)
            except ModelNotFoundError:
                result = run_import(*IMPORTS[name], "--name", name)
                assert result.returncode == 0, result.stderr
        return name

    return ensure


@pytest.fixture(scope="session")
def images() -> Iterator[ImageServer]:
    """A real HTTP server on loopback, with all photographs at /photo/<name>."""
    with ImageServer() as server:
        for name, data in PHOTOS.items():
            server.put(f"/photo/{name}", data)
        yield server


@pytest.fixture(scope="session")
def serve(stored: Callable[[str], str], images: ImageServer) -> Iterator[Callable[..., Service]]:
    """Starts a service with these settings, or hands out the one already running with them."""
    running: dict[tuple[tuple[str, str], ...], Service] = {}

    def start(model: str = "tiny", **settings: str) -> Service:
        settings.setdefault("CLIP_ALLOW_PRIVATE_HOSTS", images.host)
        settings["CLIP_MODEL"] = stored(model)
        key = tuple(sorted(settings.items()))
        if key not in running:
            running[key] = Service(settings).__enter__()
        return running[key]

    yield start
    with ThreadPoolExecutor() as pool:
        list(pool.map(Service.__exit__, running.values()))


@pytest.fixture
def patient(serve: Callable[..., Service], stored: Callable[[str], str]) -> Service:
    """One that waits long for downloads: the test, not the clock, says when they are there.

    With two more models, of which a request may choose.
    """
    models = f"{stored('efficientnet_lite0')},{stored('tiny_views')}"
    return serve(CLIP_DOWNLOAD_TIMEOUT_S="60", CLIP_MODELS=models)


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    """The tiny model with default settings."""
    return serve()
