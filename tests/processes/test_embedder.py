"""The embedder process dies, or hangs, under requests; nobody helps."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until


def embedder(service: Service) -> psutil.Process:
    """The newest process of that BentoML service."""
    found = [one for one in service.processes() if "ClipEmbedder" in " ".join(one.cmdline())]
    return max(found, key=lambda one: one.create_time())


def _health(service: Service) -> int:
    return service.client.get("/healthz").status_code


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_requests_are_refused_and_the_service_comes_back(
    serve: Callable[..., Service], blow: signal.Signals
) -> None:
    service = serve(CLIP_EMBED_TIMEOUT_S="5", CLIP_CACHE_BYTES="0")
    victim = embedder(service)
    victim.send_signal(blow)
    with ThreadPoolExecutor(4) as clients:
        asked = [
            clients.submit(service.rank, query=PHOTOS[name], candidates=["example:cat"])
            for name in ("cat", "rocket", "coffee", "china")
        ]
        wait_until(lambda: _health(service) == httpx.codes.SERVICE_UNAVAILABLE, service.log)
        answers = [one.result(HANGS_S) for one in asked]
    refused = [one for one in answers if one.status_code == httpx.codes.SERVICE_UNAVAILABLE]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert all(set(answer.json()) == {"error", "detail"} for answer in refused)
    if blow == signal.SIGSTOP:
        assert len(refused) == len(answers), [one.text for one in answers]
    else:  # one that dies may be back before the last of them asks
        assert refused
        assert {one.status_code for one in answers if one not in refused} <= {httpx.codes.OK}
    service.wait_until_ok()
    assert embedder(service).pid != victim.pid
    assert service.ranked(query=PHOTOS["cat"], candidates=["example:cat"])["meta"]["succeeded"] == 1
