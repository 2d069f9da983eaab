"""The stack of deploy/stack.yml on the engine of the test, and what may happen to its replicas."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deploy.engine import ROOT, docker, inspect, run

STACK = "clip"
EDGE = f"{STACK}_edge"
SERVICE = f"{STACK}_clip-api"
CACHE = f"{STACK}_cache"
IMAGE = "clip-api:test-bento"
CACHE_IMAGE = "clip-ranker-test-cache"
REPLICAS = 3
PAUSE_S = 1
"""Between looks: each starts a client, and the processors are few."""
NEVER_S = 1800
"""What has not come by then will not; no measure of speed."""

clients: dict[str, httpx.Client] = {}
"""By container."""

SETTINGS = {
    "CLIP_CACHE_IMAGE": CACHE_IMAGE,
    # The default, 100 s, is for the longest request. Here none takes long, and what hangs in the
    # frozen replica is asked of another one only when the grace is over; likewise the drain below.
    "CLIP_STOP_GRACE": "25s",
}
IN_THE_CONTAINER = {
    "CLIP_DRAIN_LIMIT_S": "20",
    "CLIP_DOWNLOAD_TIMEOUT_S": "30",
    "CLIP_CACHE_TIMEOUT_S": "0.5",
}


def deploy(
    image: str = IMAGE, *files: str, allow: str, stack: str = STACK, replicas: int = REPLICAS
) -> None:
    """What an operator types, to begin with or for another image; does not wait for the outcome.

    Args:
        image: of the replicas.
        files: of deploy/ besides stack.yml.
        allow: host of pictures that they may ask although it is private.
        stack: its name.
        replicas: how many.
    """
    with tempfile.TemporaryDirectory() as folder:
        (copies := Path(folder) / "deploy").mkdir()
        settings = IN_THE_CONTAINER | {"CLIP_ALLOW_PRIVATE_HOSTS": allow}
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (copies.parent / ".env").write_text(lines)
        command = ["docker", "stack", "deploy", "--resolve-image", "never"]
        for file in ("stack.yml", *files):
            command += ["--compose-file", shutil.copy(ROOT / "deploy" / file, copies)]
        run(*command, stack, **SETTINGS, CLIP_IMAGE=image, CLIP_REPLICAS=str(replicas))


def variant(folder: Path, tag: str, lines: str) -> str:
    """An image that differs in these lines."""
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n{lines}\n")
    docker("build", "--quiet", "--tag", tag, folder)
    return tag


def containers(service: str = SERVICE) -> list[str]:
    """Ids of its containers that Docker finds healthy."""
    found = docker(
        *("ps", "--quiet", "--no-trunc", "--filter", "health=healthy"),
        *("--filter", f"label=com.docker.swarm.service.name={service}"),
    )
    return found.split()


def checks(container: str) -> dict[str, dict[str, Any]]:
    """Its last health checks as Docker logs them, by when they began, oldest first."""
    log = json.loads(docker("inspect", container, "--format", "{{json .State.Health.Log}}"))
    return {check["Start"]: check for check in log}


def whole(replicas: int = REPLICAS, *, without: str = "") -> bool:
    """Whether as many replicas run, all of them healthy, and a certain one is gone."""
    label = f"label=com.docker.swarm.service.name={SERVICE}"
    found = docker("ps", "--quiet", "--no-trunc", "--filter", label).split()
    return without not in found and len(found) == replicas == len(containers())


def client(container: str, port: int = 8000) -> httpx.Client:
    """Talks to one container past Caddy, by the bridge that gives it its way out."""
    if container not in clients:
        bridge = inspect("network", "docker_gwbridge")
        assert bridge is not None
        url = f"http://{bridge['Containers'][container]['IPv4Address'].partition('/')[0]}:{port}"
        clients[container] = httpx.Client(base_url=url, timeout=NEVER_S, trust_env=False)
    return clients[container]


def freeze(container: str) -> list[int]:
    """Stops all its processes, as a machine that hangs does; which ones."""
    pids = [int(pid) for pid in docker("top", container, "-eo", "pid").split()[1:]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def update_state() -> str:
    """How the last update of the service goes."""
    found = docker("service", "inspect", SERVICE, "--format", "{{json .UpdateStatus}}")
    state: dict[str, Any] = json.loads(found) or {}
    return str(state.get("State", ""))


def images() -> set[str]:
    """Of the replicas that run."""
    return {docker("inspect", "--format", "{{.Config.Image}}", one) for one in containers()}


def wait_until(holds: Callable[[], bool], what: str) -> float:
    """Seconds until it held.

    Raises:
        AssertionError: it never did; with what the swarm says.
    """
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < NEVER_S, f"waited in vain for: {what}\n{said()}"
        time.sleep(PAUSE_S)
    return time.monotonic() - start


def said() -> str:
    """Tasks and last lines of every service."""

    def tell(*command: str) -> str:
        """What Docker says, though it may be sick."""
        told = subprocess.run(
            ["docker", "service", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return told.stdout + told.stderr

    return "\n".join(
        tell(*command, service)
        for service in tell("ls", "--format", "{{.Name}}").split()
        for command in (["ps", "--no-trunc"], ["logs", "--tail", "15"])
    )
