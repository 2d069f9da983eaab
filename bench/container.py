"""A container of the service that is measured, and the images for it."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from bench.measured import Asked, pss_bytes
from bench.settings import OURS, ROOT
from tests.running import free_port

BENTO = "/home/bentoml/bento"


class Container(Asked):
    """The image as compose runs it, on the host's network.

    Args:
        image: its tag.
        options: of ``docker run``.
        settings: environment variables.
    """

    def __init__(self, image: str, *options: str, **settings: str) -> None:
        port = free_port()
        super().__init__(port)
        told = [f"--env={name}={value}" for name, value in settings.items()]
        command = ["docker", "run", "--detach", "--init", "--network", "host", *options, *told]
        command += ["--workdir", f"{BENTO}/src", "--entrypoint", "python", image]
        command += ["-m", "clip_ranker.entrypoint", "serve", BENTO, "--port", str(port)]
        self._name = _said(*command)
        while not self._ok():
            assert self._state()["Running"], _said("docker", "logs", self._name)
            time.sleep(0.1)

    def pss_bytes(self) -> int:
        """Memory of all its processes, pages shared between them counted once."""
        return pss_bytes(self._state()["Pid"])

    def killed(self) -> int:
        """Processes that the kernel ended for their memory."""
        files = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
        told = self.python(f"print(*[open(f).read() for f in {files} if os.path.exists(f)])")
        return int(re.findall(r"^oom_kill (\d+)", told, re.M)[0])

    def python(self, code: str) -> str:
        """What this prints in the container."""
        return _said("docker", "exec", self._name, "python", "-c", f"import os\n{code}")

    def close(self) -> None:
        """Removes it."""
        self.client.close()
        _said("docker", "rm", "--force", "--volumes", self._name)

    def _ok(self) -> bool:
        with suppress(httpx.TransportError):
            return self.client.get("/healthz").text == "ok"
        return False

    def _state(self) -> dict:
        state: dict = json.loads(_said("docker", "inspect", self._name))[0]["State"]
        return state


def _said(*command: str) -> str:
    """Standard output of a command; where it fails, all ends with what it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def build(model: str) -> str:
    """An image with this model; its tag."""
    tag = f"clip-api:bench-{'8-bits' if model.endswith('int8') else 'fp32'}"
    environment = OURS.environment() | {
        "MODEL": model,
        "TAG": tag,
        "IMPORT_ARGS": "--weights random",
        "BUILD_OPTIONS": os.environ.get("BUILD_OPTIONS", "--opt network=host"),
    }
    folder = Path(sys.executable).parent
    subprocess.run(["deploy/image.sh", folder], cwd=ROOT, env=environment, check=True)
    return tag
