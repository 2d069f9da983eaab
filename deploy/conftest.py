"""Builds both images, and puts the service behind a real Caddy on a network of the real name."""

import os
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy import kept
from deploy.engine import (
    NETWORK,
    PROJECT,
    ROOT,
    SERVICE,
    compose,
    container,
    docker,
    inspect,
    remove_own,
    run,
    wait_until,
)

MODEL = "efficientnet_lite0"
IMAGES = "clip-ranker-test-images"
CADDY = "clip-ranker-test-caddy"
BASE = os.environ.get("BASE", "python:3.11-slim")
SITE = "clip.revathis-dev.com"
# The site block as it is, with a certificate authority of Caddy's own.
CADDYFILE = "{\n\tlocal_certs\n\tskip_install_trust\n}\nimport snippet\n"

measured: list[str] = []
"""What the run reports at its end."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("measured")
    for line in measured:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[str]:
    """The network of the neighbouring project, made by this test or not touched."""
    remove_own()
    docker("network", "create", "--label", PROJECT, NETWORK)
    found = inspect("image", BASE)
    measured.append(f"base image: {(found or {}).get('RepoDigests') or f'a stand-in for {BASE}'}")
    yield NETWORK
    remove_own()
    for image in (f"{SERVICE}:test-bento", f"{SERVICE}:test-dockerfile"):
        if inspect("image", image):
            docker("image", "rm", "--force", image)


@pytest.fixture(scope="session")
def bento_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``make image`` builds."""
    tag = f"{SERVICE}:test-bento"
    start = time.monotonic()
    run(
        "make",
        "image",
        MODEL=MODEL,
        TAG=tag,
        PLATFORM=docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"),
        BUILD_OPTIONS="--opt network=host",
        BENTOML_HOME=str(tmp_path_factory.mktemp("bentoml")),
    )
    _measure_image(tag, "make image", start)
    kept.keep(tag)
    return tag


@pytest.fixture(scope="session")
def dockerfile_image(network: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``docker compose up -d --build`` builds, and that it comes up, from a fresh clone."""
    tag = f"{SERVICE}:test-dockerfile"
    clone = tmp_path_factory.mktemp("clone")
    run("git", "clone", "--quiet", ROOT, clone)
    override = clone / "override.yml"
    override.write_text(
        f"services: {{{SERVICE}: {{image: '{tag}', build: {{context: ., network: host, args: "
        f"{{BASE: '{BASE}', TORCH_BACKEND: '', "
        f"PIP_INDEX_URL: '{os.environ.get('PIP_INDEX_URL', '')}'}}}}}}}}\n"
    )
    files = [clone / "docker-compose.yml", override]
    start = time.monotonic()
    compose("up", "-d", "--build", files=files, MODEL=MODEL)
    _measure_image(tag, "docker compose up -d --build", start)
    wait_until(lambda: container()["State"]["Health"]["Status"] == "healthy", "healthy")
    docker("stop", SERVICE)
    assert container()["State"]["ExitCode"] == 0
    compose("down", files=files)
    return tag


def _measure_image(tag: str, how: str, start: float) -> None:
    measured.append(f"{how}: {time.monotonic() - start:.0f} s, with the model {MODEL}")
    found = inspect("image", tag)
    assert found is not None
    measured.append(f"{tag}: {found['Size'] / 1e6:.0f} MB")
    layers = docker("history", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", tag)
    measured.extend(f"  {layer[:100]}" for layer in layers.splitlines() if layer[:2] != "0B")


@pytest.fixture(scope="session")
def images(network: str, bento_image: str) -> str:
    """URL of the image server, as the host sees it; as http://IMAGES on the network."""
    docker(
        *("run", "--detach", "--label", PROJECT, "--name", IMAGES, "--network", network),
        *("--publish", "127.0.0.1::80", "--entrypoint", "python", "--user", "root"),
        *("--volume", f"{ROOT}/deploy/image_server.py:/image_server.py:ro"),
        *("--volume", f"{ROOT}/clip_ranker/examples:/pictures:ro", "--workdir", "/pictures"),
        *(BASE, "/image_server.py"),
    )
    return f"http://{docker('port', IMAGES, '80')}"


@pytest.fixture(scope="session")
def start_caddy(
    network: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], httpx.Client]:
    """Starts a Caddy with these site blocks; a client that talks to it as the world would."""

    caddy = shutil.which("caddy")

    def start(name: str, snippet: str) -> httpx.Client:
        folder = tmp_path_factory.mktemp(name)
        (folder / "snippet").write_text(snippet)
        (folder / "Caddyfile").write_text(CADDYFILE)
        docker(
            *("run", "--detach", "--label", PROJECT, "--name", name, "--network", network),
            *("--publish", "127.0.0.1::443", "--volume", f"{folder}:/etc/caddy:ro"),
            *("--env", "XDG_DATA_HOME=/data", "--volume", f"{caddy}:/usr/bin/caddy:ro"),
            *("--user", "root", "--entrypoint", "caddy"),
            *(BASE, "run", "--config", "/etc/caddy/Caddyfile"),
        )
        certificate = folder / "root.crt"

        def authority() -> bool:
            try:
                docker("cp", f"{name}:/data/caddy/pki/authorities/local/root.crt", certificate)
            except AssertionError:
                return False
            return True

        wait_until(authority, "Caddy's certificate authority")
        client = httpx.Client(
            base_url=f"https://{docker('port', name, '443')}",
            headers={"Host": SITE},
            verify=_trusting(certificate),
            timeout=90,
            trust_env=False,
        )
        client.event_hooks["request"].append(_name_the_site)
        return client

    return start


def _trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def _name_the_site(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = SITE


@pytest.fixture(scope="session")
def service(
    bento_image: str,
    images: str,
    start_caddy: Callable[[str, str], httpx.Client],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """The service as docker-compose.yml starts it without building, seen through Caddy."""
    override = tmp_path_factory.mktemp("compose") / "override.yml"
    override.write_text(f"services: {{{SERVICE}: {{image: '{bento_image}'}}}}\n")
    files = [ROOT / "docker-compose.yml", override]
    client = start_caddy(CADDY, (ROOT / "Caddyfile.snippet").read_text())
    start = time.monotonic()
    settings = {"CLIP_ALLOW_PRIVATE_HOSTS": IMAGES, "CLIP_DOWNLOAD_TIMEOUT_S": "30"}
    compose("up", "-d", "--no-build", files=files, **settings)
    wait_until(lambda: ok(client), "ok through Caddy")
    measured.append(f"docker compose up to the first ok: {time.monotonic() - start:.1f} s")
    yield client
    client.close()


def ok(client: httpx.Client) -> bool:
    """True when /healthz says so through Caddy."""
    try:
        return client.get("/healthz").text == "ok"
    except httpx.TransportError:
        return False
