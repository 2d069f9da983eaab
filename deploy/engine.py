"""The Docker engine as the deployment test uses it, and the names it must not take from others."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SERVICE = "clip-api"
NETWORK = "revathis-ai-agents_default"
PROJECT = "clip-ranker-test"
"""Compose project, and the label of all else that the test makes."""
START_S = 120


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Standard output of a command that must succeed.

    Raises:
        AssertionError: it did not; with its output.
    """
    # Without the settings of whoever runs this.
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLIP_")}
    result = subprocess.run(
        command, cwd=cwd, env=own | environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-5000:]}\n{result.stderr[-5000:]}"
    return result.stdout.strip()


def docker(*arguments: str | Path) -> str:
    """Runs the docker client."""
    return run("docker", *arguments)


def compose(*arguments: str | Path, files: list[Path], **environment: str) -> str:
    """Runs compose v2 if there is one, else v1, next to the first of the files."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    command = ["docker", "compose"] if plugin.returncode == 0 else [shutil.which("docker-compose")]
    chosen = [option for file in files for option in ("-f", str(file))]
    # What v2 does anyway.
    environment |= {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}
    with tempfile.NamedTemporaryFile(suffix=".env") as empty:  # not that of whoever runs this
        command += ["--env-file", empty.name, "-p", PROJECT, *chosen]
        return run(*command, *arguments, cwd=files[0].parent, **environment)


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """What the engine knows of a container, network or image; None when there is none."""
    result = subprocess.run(
        ["docker", kind, "inspect", name], capture_output=True, text=True, check=False
    )
    found: list[dict[str, Any]] = json.loads(result.stdout or "[]")
    return found[0] if found else None


def container() -> dict[str, Any]:
    """The container of the service."""
    found = inspect("container", SERVICE)
    assert found is not None
    return found


def inside(*command: str) -> str:
    """Runs a command in the container of the service."""
    return docker("exec", SERVICE, *command)


def python_in(image: str, code: str, *options: str) -> str:
    """Runs Python in a container of an image, with these options, and waits for it."""
    return docker("run", "--rm", *options, "--entrypoint", "python", image, "-c", code)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Returns once it holds.

    Raises:
        AssertionError: it does not in time; with the log of the service.
    """
    end = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain for: {what}\n{log()}"
        time.sleep(0.1)


def log() -> str:
    """The last lines of the service."""
    result = subprocess.run(
        ["docker", "logs", "--tail", "50", SERVICE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout


def remove_own() -> None:
    """Removes what an earlier run left behind, or this one made.

    Raises:
        AssertionError: a container or the network of these names belongs to somebody else.
    """
    found = inspect("container", SERVICE)
    if found is not None:
        project = found["Config"]["Labels"].get("com.docker.compose.project")
        assert project == PROJECT, f"there is a container {SERVICE} that this test did not make"
    network = inspect("network", NETWORK)
    if network is not None:
        assert PROJECT in network["Labels"], f"there is a network {NETWORK} not made by this test"
    for key in (PROJECT, f"com.docker.compose.project={PROJECT}"):
        for name in docker("ps", "--all", "--quiet", "--filter", f"label={key}").split():
            docker("rm", "--force", "--volumes", name)
    if network is not None:
        docker("network", "rm", NETWORK)
