"""Where ``make`` takes torch from: the index without CUDA if it answers, else where the rest is."""

import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pip
import pytest

from tests.running import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has no CUDA")
PINNED = "2.14.1"


def put(index: Path, name: str, version: str, *requires: str) -> None:
    """A wheel that holds nothing, on a simple page (PEP 503)."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    about += "".join(f"Requires-Dist: {one}\n" for one in requires)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", about)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    links = (f'<a href="{file.name}">{file.name}</a>' for file in folder.glob("*.whl"))
    (folder / "index.html").write_text("<!DOCTYPE html>" + "".join(links))


class Quiet(SimpleHTTPRequestHandler):
    """Files, and no word about them."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """An index on loopback; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def usual(tmp_path: Path) -> Iterator[str]:
    """The index that pip is set up with: torch there brings CUDA."""
    for version in (PINNED, "3.0"):
        put(tmp_path / "usual", "torch", version, "cuda", "other")
        put(tmp_path / "usual", "torchvision", version, f"torch=={version}")
    put(tmp_path / "usual", "cuda", "13")
    put(tmp_path / "usual", "other", "1")
    with serving(tmp_path / "usual") as url:
        yield url


@pytest.fixture
def without_cuda(tmp_path: Path) -> Iterator[str]:
    """PyTorch's index for processors, which holds more than torch."""
    for version in (PINNED, "3.0"):
        put(tmp_path / "cpu", "torch", f"{version}+cpu", "other")
        put(tmp_path / "cpu", "torchvision", f"{version}+cpu", f"torch=={version}")
    put(tmp_path / "cpu", "other", "9")
    with serving(tmp_path / "cpu") as url:
        yield url


def installed(folder: Path, usual: str, torch_index: str) -> tuple[set[str], str]:
    """What is in a new environment after what the Makefile does, and what was said."""
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (folder / "pip").mkdir()
    (folder / "pip" / "pip").symlink_to(Path(pip.__file__).parent)
    (folder / "pins.txt").write_text(f"torch=={PINNED}\ntorchvision=={PINNED}\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    own |= {
        "PYTHONPATH": str(folder / "pip"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": usual,
        "TORCH_INDEX": torch_index,
    }
    options = ["--disable-pip-version-check", "--constraint", str(folder / "pins.txt")]
    said = ""
    for command in (
        [str(ROOT / "deploy" / "torch"), str(python), *options, "--quiet"],
        [str(python), "-m", "pip", "install", *options, "torch", "torchvision", "other"],
    ):
        ran = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        said += ran.stdout + ran.stderr
    frozen = [str(python), "-m", "pip", "freeze"]
    ran = subprocess.run(frozen, env=own, capture_output=True, text=True, check=True)
    return set(re.findall(r"^[\w.+=-]+$", ran.stdout, re.M)), said


def test_torch_alone_comes_from_the_index_without_cuda(
    tmp_path: Path, usual: str, without_cuda: str
) -> None:
    found, _ = installed(tmp_path, usual, without_cuda)
    assert found == {f"torch=={PINNED}+cpu", f"torchvision=={PINNED}+cpu", "other==1"}


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refused() -> Iterator[str]:
    """A port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


FAKE = """\
#!/bin/sh
case $1 in
-) exec {python} "$@" ;;
*) echo "$(basename $0) $*" >>{log} ;;
esac
"""


def made(folder: Path, torch_index: str) -> tuple[list[str], str]:
    """What ``make`` runs of an environment's programs, which only note it, and what it says."""
    for name in ("python", "pip"):
        program = folder / "venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(FAKE.format(python=sys.executable, log=folder / "log"))
        program.chmod(0o755)
    ran = subprocess.run(
        ["make", "--no-print-directory", f"VENV={folder}/venv", f"{folder}/venv/.import"],
        cwd=ROOT,
        env=os.environ | {"TORCH_INDEX": torch_index},
        capture_output=True,
        text=True,
        check=True,
    )
    return (folder / "log").read_text().splitlines(), ran.stdout + ran.stderr


def test_make_installs_torch_before_the_rest(tmp_path: Path, without_cuda: str) -> None:
    (torch, rest), _ = made(tmp_path, without_cuda)
    assert torch.startswith("python -m pip install ")
    assert torch.endswith(f" --no-deps --extra-index-url {without_cuda} torch torchvision")
    assert rest.startswith("pip install ")
    for pins in (".cache/pins.txt", "deploy/requirements-import.txt"):
        assert all(f"--constraint {pins}" in command for command in (torch, rest))


@pytest.mark.parametrize("index", [silent, refused])
def test_an_index_that_does_not_answer_is_left_alone(
    tmp_path: Path, index: Callable[[], Iterator[str]]
) -> None:
    with index() as url:  # type: ignore[attr-defined]
        (rest,), said = made(tmp_path, url)
    assert rest.startswith("pip install ")
    assert f"{url} does not answer" in said
    assert "Alarm" not in said


def test_an_empty_index_asks_nobody(tmp_path: Path) -> None:
    (rest,), said = made(tmp_path, "")
    assert rest.startswith("pip install ")
    assert "does not answer" not in said
