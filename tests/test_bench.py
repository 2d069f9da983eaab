"""What a benchmark without numbers can be held to: its servers do what they claim."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from bench import against, containers, models, neighbours, pictures, report, targets
from bench.containers import Size
from bench.image_server import HOSTS
from bench.session import Bench
from bench.settings import Tree
from clip_ranker.importing import sources
from tests.conftest import ROOT
from tests.running import HANGS_S


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


@pytest.mark.parametrize("size", containers.SIZES, ids=lambda size: size.machine)
def test_the_limits_that_are_tried_in_containers_are_those_of_the_document(size: Size) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {size.machine} |"))
    assert f"`{size.mem_limit}`" in row
    assert dict(re.findall(r"`(CLIP_\w+)=(\d+)`", row)) == size.settings


def test_the_weight_that_is_tried_beside_caddy_is_that_in_compose() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"cpu_shares: (\d+)", compose) == [str(neighbours.WEIGHTS[0])]


@pytest.mark.parametrize("host", HOSTS)
def test_a_picture_comes_from_either_host(folder: Path, port: int, host: str) -> None:
    answer = httpx.get(f"http://{host}:{port}/600x450/3.jpg?new=1", trust_env=False)
    assert answer.content == (folder / "600x450/3.jpg").read_bytes() + b"new=1"


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
        httpx.get(
            f"http://{HOSTS[1]}:{port}/hang",
            timeout=httpx.Timeout(HANGS_S, read=0.5),
            trust_env=False,
        )


def test_two_checkouts_are_compared_in_every_figure(
    folder: Path, port: int, stored: Callable[[str], str]
) -> None:
    tree = Tree(store=Path(os.environ["BENTOML_HOME"]), model=stored("tiny"))
    bench = Bench(folder, Path(), port, rounds=1, most=2)
    figures = against.compare(bench, tree, tree, list(against.MEASURES))
    rows = {line.split(" | ")[0].strip("| "): line for line in against.table(figures).splitlines()}
    for name, (what, _) in against.ROWS.items():
        if name in figures:  # "batch" where the service counts it
            assert {len(figures[name][side]) for side in against.SIDES} == {1}
            assert "n = 1" in rows[what]
    assert set(against.ROWS) - set(figures) <= {"batch"}


def test_what_one_side_does_not_tell_is_a_dash() -> None:
    figures = {"batch": {"after": [12.0, 14.0], "before": []}}
    assert against.table(figures).splitlines()[-1].endswith(" | 13 | – | – |")  # noqa: RUF001


def _figures(ratios: list[float]) -> targets.Figures:
    return {"ratio": 1.0, "ratios": ratios, "ours_s": 1.0, "other_s": 1.0}


@pytest.mark.parametrize(
    ("ratios", "met"),
    [
        ([0.99, 1.01] * 5, True),
        ([1.03, 1.04] * 5, False),  # surely slower
        ([0.8, 1.4] * 5, False),  # holds 1, and says nothing
    ],
)
def test_no_slower_is_shown_by_a_narrow_interval_alone(ratios: list[float], met: bool) -> None:
    ((_, row),) = targets.rows({"missed": _figures(ratios)})
    assert row.met is met


def test_another_processor_s_figures_stand_beside_those_of_before(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    report.record({"fifty": _figures([1.0]), "late": _figures([0.5])}, path, "an old one")
    known = report.record({"fifty": _figures([0.9])}, path, "a new one")
    lines = report.table(known).splitlines()
    (head,) = [line for line in lines if line.startswith("| target")]
    assert head == "| target | at most | an old one | met | a new one | met |"
    (both,) = [line for line in lines if "bare session on the 51" in line]
    assert "1.00 to 1.00" in both
    assert "0.90 to 0.90" in both
    (one,) = [line for line in lines if "300 ms late" in line]
    assert one.endswith("| **no** | – | – |")  # noqa: RUF001


def test_a_kept_row_keeps_its_day(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    known = report.record({"fifty": _figures([1.0])}, path, "one")
    known["one"]["measured"]["fifty"]["date"] = "2000-01-01"
    path.write_text(json.dumps(known))
    lines = report.table(report.record({"late": _figures([0.5])}, path, "one")).splitlines()
    (kept,) = [line for line in lines if "bare session on the 51" in line]
    (new,) = [line for line in lines if "300 ms late" in line]
    assert "[1]" in kept
    assert "[1]" not in new
    (when,) = [line for line in lines if line.startswith("- one: ")]
    assert "[1] 2000-01-01" in when


def test_a_multiplication_and_its_addition_are_two_operations() -> None:
    tokens, width, mlp, dim = 17, 64, 256, 32  # as in tests/models/tiny.json, of 64 pixels in 16s
    patches = 16 * (16 * 16 * 3) * width
    attention = tokens * width * 4 * width + 2 * tokens * tokens * width
    blocks = 2 * (attention + 2 * tokens * width * mlp)
    source = sources.from_open_clip(str(ROOT / "tests/models/tiny.json"), "random")
    operations, parameters = models.arithmetic(source)
    assert operations == 2 * (patches + blocks + width * dim)
    assert parameters == sum(weight.numel() for weight in source.tower.parameters())
