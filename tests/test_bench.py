"""What a benchmark without numbers can be held to: its servers do what they claim."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from bench import pictures
from bench.image_server import HOSTS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    pictures.write(path)
    return path


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.image_server", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_pictures_are_as_many_and_as_large_as_said(folder: Path) -> None:
    for size, count in pictures.SIZES.items():
        files = list((folder / pictures.name(size)).glob("*.jpg"))
        assert len(files) == count
        assert len({file.read_bytes() for file in files}) == count
        assert _size(files[0]) == size
    assert _size(folder / "phone.jpg") == pictures.PHONE


@pytest.mark.parametrize("host", HOSTS)
def test_a_picture_comes_from_either_host(folder: Path, port: int, host: str) -> None:
    answer = httpx.get(f"http://{host}:{port}/600x450/3.jpg?new=1", trust_env=False)
    assert answer.content == (folder / "600x450/3.jpg").read_bytes()


def test_a_delay_is_kept_and_a_dead_url_is_404(port: int) -> None:
    site = f"http://{HOSTS[0]}:{port}"
    start = time.monotonic()
    assert httpx.get(f"{site}/dead?delay_ms=200", trust_env=False).status_code == 404
    assert time.monotonic() - start >= 0.2


def test_a_lost_answer_is_a_closed_connection(port: int) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{HOSTS[0]}:{port}/600x450/0.jpg?loss=1", trust_env=False)


def test_a_hanging_host_stays_silent(port: int) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"http://{HOSTS[1]}:{port}/hang", timeout=0.5, trust_env=False)
