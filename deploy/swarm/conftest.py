"""The stack as it is deployed, pictures for it, and a real Caddy with deploy/Caddyfile.swarm."""

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.conftest import BASE, IMAGES, measured, ok
from deploy.engine import PROJECT, ROOT, docker
from deploy.swarm import stack
from deploy.swarm.load import Load

CADDY = "clip-ranker-test-caddy"
SWARM_S = float(os.environ.get("SWARM_S") or 120)
CAT = base64.b64encode((ROOT / "clip_ranker/examples/cat.jpg").read_bytes()).decode()
KNOWN = ("cat", "coffee", "rocket")


def url(name: str, mark: object) -> str:
    """Of a picture that no replica knows, if nobody used the mark before."""
    return f"http://{IMAGES}/{name}.jpg?{mark}"


def body(*urls: str) -> dict[str, Any]:
    """A request with the cat as photo; listings are named by their pictures."""
    candidates = [{"auction_id": one, "image_url": one} for one in urls]
    return {"query_image_base64": CAT, "candidates": candidates}


def request(number: int) -> dict[str, Any]:
    """Three pictures that all requests ask for, and one that is new."""
    return body(*(url(name, "known") for name in KNOWN), url("coins", number))


def check(answer: dict[str, Any]) -> None:
    """All four are ranked, and the cat comes first."""
    assert not answer["failed"], answer["failed"]
    assert [len(answer["results"]), answer["results"][0]["auction_id"]] == [4, url("cat", "known")]


@pytest.fixture(scope="session")
def swarm(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Three healthy replicas, the cache, and a server of pictures on their network."""
    cache_image(tmp_path_factory.mktemp("cache"))
    stack.deploy(allow=IMAGES)
    docker(
        *("run", "--detach", "--label", PROJECT, "--name", IMAGES, "--network", stack.EDGE),
        *("--entrypoint", "python", "--user", "root", "--workdir", "/pictures"),
        *("--volume", f"{ROOT}/deploy/image_server.py:/image_server.py:ro"),
        *("--volume", f"{ROOT}/clip_ranker/examples:/pictures:ro", BASE, "/image_server.py"),
    )
    took_s = stack.wait_until(stack.whole, "three healthy replicas")
    measured.append(f"docker stack deploy to three healthy replicas at once: {took_s:.0f} s")
    yield  # all of it ends with the engine
    for client in stack.clients.values():
        client.close()


def cache_image(folder: Path) -> None:
    """Debian's redis-server under the names of Valkey's image, which cannot be pulled here."""
    programs = {"valkey-server": "redis-server", "valkey-cli": "redis-cli"}
    paths = {name: shutil.which(program) or program for name, program in programs.items()}
    for name, path in paths.items():
        shutil.copy(path, folder / name)
    linked = subprocess.run(["ldd", *paths.values()], capture_output=True, text=True, check=True)
    (folder / "lib").mkdir()
    for library in set(re.findall(r"/\S+\.so\S*", linked.stdout)):
        shutil.copy(library, folder / "lib")
    loader = next((folder / "lib").glob("ld-linux*")).name
    (folder / "Dockerfile").write_text(
        "FROM scratch\nENV PATH=/usr/bin LD_LIBRARY_PATH=/lib\n"
        f"COPY lib /lib\nCOPY lib/{loader} /lib64/\nCOPY valkey-* /usr/bin/\n"
    )
    docker("build", "--quiet", "--tag", stack.CACHE_IMAGE, folder)


@pytest.fixture(scope="session")
def caddy(swarm: None, start_caddy: Callable[[str, str], httpx.Client]) -> Iterator[httpx.Client]:
    """What the world sees."""
    client = start_caddy(CADDY, (ROOT / "deploy/Caddyfile.swarm").read_text())
    docker("network", "connect", stack.EDGE, CADDY)
    stack.wait_until(lambda: ok(client), "ok through Caddy")
    yield client
    client.close()


@pytest.fixture(scope="session")
def load(caddy: httpx.Client) -> Iterator[Load]:
    """Steady, from the first test that wants it to the last."""
    with Load(caddy, request, check=check) as load:
        yield load
