"""A container of the service that is measured, and the images for it."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from bench.measured import Endpoint, family
from bench.settings import OURS, ROOT
from tests.running import free_port, pss_bytes

BENTO = "/home/bentoml/bento"
AS_IN_COMPOSE = (
    *("--init", "--read-only", "--tmpfs=/tmp:size=64m", "--cap-drop=ALL", "--pids-limit=1024"),
    *(f"--workdir={BENTO}/src", "--entrypoint=python"),
)
COUNTS_KILLS = """
import os
files = "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"
print(*[open(file).read() for file in files if os.path.exists(file)])
"""


class Container(Endpoint):
    """The service in a container, on the host's network.

    Args:
        image: its tag.
        options: of ``docker run``.
        settings: environment variables.
    """

    def __init__(self, image: str, *options: str, **settings: str) -> None:
        port = free_port()
        super().__init__(port)
        told = [f"--env={name}={value}" for name, value in settings.items()]
        serve = ("-m", "clip_ranker.entrypoint", "serve", BENTO, "--port", str(port))
        self._name = run(
            *("docker", "run", "--detach", "--network=host", *AS_IN_COMPOSE),
            *(*options, *told, image, *serve),
        )
        with ExitStack() as undone:
            undone.callback(self.close)
            if not self.starts(lambda: self._state()["Running"]):
                raise RuntimeError(f"the container did not start\n{logs(self._name)}")
            self._main = psutil.Process(self._state()["Pid"])
            undone.pop_all()

    def pss_bytes(self) -> int:
        """Memory of all its processes, pages shared between them counted once."""
        with suppress(psutil.NoSuchProcess):
            return pss_bytes(family(self._main))
        return 0

    def killed(self) -> bool:
        """Whether the kernel ended one of its processes for want of memory."""
        if self._state()["OOMKilled"] or not self._state()["Running"]:
            return True
        return re.findall(r"^oom_kill (\d+)", self.python(COUNTS_KILLS), re.M) != ["0"]

    def weigh(self, cpu_shares: int) -> None:
        """What it gets of the processors when others want them too; it has 1024 at first."""
        run("docker", "update", f"--cpu-shares={cpu_shares}", self._name)

    def python(self, code: str) -> str:
        """What this prints in the container."""
        return run("docker", "exec", self._name, "python", "-c", code)

    def close(self) -> None:
        """Removes it."""
        self.client.close()
        run("docker", "rm", "--force", "--volumes", self._name)

    def _state(self) -> dict:
        state: dict = json.loads(run("docker", "inspect", self._name))[0]["State"]
        return state


@functools.cache
def build(model: str) -> str:
    """An image with this model, of random weights; its tag."""
    tag = f"clip-api:bench-{model.rpartition('_')[2]}"
    with tempfile.TemporaryDirectory(prefix="bench-") as home:  # the bento goes with it
        (Path(home) / "models").symlink_to(OURS.store / "models")
        environment = OURS.environment(Path(home)) | {
            "MODEL": model,
            "TAG": tag,
            "IMPORT_ARGS": "--weights random",
            "BUILD_OPTIONS": os.environ.get("BUILD_OPTIONS", "--opt network=host"),
        }
        script = ("deploy/image.sh", Path(sys.executable).parent)
        subprocess.run(script, cwd=ROOT, env=environment, check=True)
    return tag


def logs(name: str) -> str:
    """All that a container has written."""
    log = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=False)
    return log.stdout + log.stderr


def run(*command: str) -> str:
    """Standard output of a command; where it fails, all ends with what it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
