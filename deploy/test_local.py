"""The image at home, without a network of others: what docs/deployment.md says of that."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.engine import NETWORK, PROJECT, ROOT, SERVICE, compose, container, inspect, wait_until
from deploy.test_documents import remove_own_container
from tests.documents import DEPLOYMENT, commands
from tests.running import HANGS_S, free_port

LOCAL = ROOT / "deploy" / "compose.local.yml"


@pytest.fixture
def port() -> Iterator[int]:
    """A free port of this machine, and no container of the service before and after."""
    remove_own_container()
    yield free_port()
    remove_own_container()


def answers(port: int) -> bool:
    """True once the service there can embed."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).text == "ok"
    except httpx.TransportError:
        return False


@contextmanager
def in_the_foreground(command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Types a command that runs until Ctrl-C."""
    with subprocess.Popen(command.split(), cwd=ROOT, start_new_session=True) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(HANGS_S)


def test_one_line_serves_it_on_this_machine(bento_image: str, port: int) -> None:
    (line,) = (c.text for c in commands(DEPLOYMENT) if c.text.startswith("docker run"))
    line = line.replace(":8000:", f":{port}:").replace(f"{SERVICE}:latest", bento_image)
    line = line.replace(" run ", f" run --label {PROJECT} ")
    with in_the_foreground(line):
        wait_until(lambda: answers(port), "ok at home")
    wait_until(lambda: not answers(port), "Ctrl-C")


def test_compose_serves_it_as_on_the_vps_but_on_a_network_of_its_own(
    bento_image: str, port: int, tmp_path: Path
) -> None:
    override = tmp_path / "override.yml"
    override.write_text(f"services: {{{SERVICE}: {{image: '{bento_image}'}}}}\n")
    files = [LOCAL, override]
    compose("up", "-d", "--no-build", files=files, PORT=str(port))
    try:
        wait_until(lambda: answers(port), "ok at home")
        networks = container()["NetworkSettings"]["Networks"]
        assert list(networks) == [f"{PROJECT}_edge"]
        assert NETWORK not in networks
        assert container()["HostConfig"]["ReadonlyRootfs"]
    finally:
        compose("down", files=files, PORT=str(port))
    assert inspect("network", f"{PROJECT}_edge") is None
