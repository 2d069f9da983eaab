"""``evaluate`` on the command line."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clip_ranker.cli.main import main
from clip_ranker.evaluate.setting import SETTINGS
from clip_ranker.models import calibration, store
from clip_ranker.models.store import StoredModel
from tests.documents import ROOT, commands
from tests.evaluate.test_feedback import vector, verdict
from tests.photos import encode, picture


@pytest.fixture
def command(tiny: StoredModel, tmp_path: Path) -> list[str]:
    """The tiny model, with a cache of its own."""
    return ["evaluate", "--model", tiny.name, "--cache", str(tmp_path / "cache")]


@pytest.fixture
def stored_apart(tiny: StoredModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StoredModel:
    """A model whose folder a test may write into: others use the store, too."""
    folder = tmp_path / "model"
    shutil.copytree(tiny.graph.parent, folder)
    apart = StoredModel(**{**vars(tiny), "graph": folder / tiny.graph.name})
    monkeypatch.setattr("clip_ranker.models.store.load", lambda _: apart)
    return apart


def figures(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_setting_is_judged_and_compared_with_the_first(
    command: list[str],
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "report.json"
    assert main([*command, str(photographs), "--setting", "all", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    found = figures(out)
    assert [row["setting"] for row in found["rows"]] == list(SETTINGS)
    for row in found["rows"]:
        assert (row["items"], row["photos"]) == (15, 30)
        for name, measure in row["measures"].items():
            assert 0 <= measure["low"] <= measure["value"] <= measure["high"] <= 1, name
        assert row["measures"]["recall@1"]["value"] <= row["measures"]["recall@10"]["value"]
        assert row["photo_cost"]["seconds"] > 0
        assert row["photo_cost"]["peak_bytes"] > 10_000_000
        assert re.search(rf"^{row['setting']} +\.\d+", shown, re.MULTILINE)
    assert [one["second"][1] for one in found["comparisons"]] == list(SETTINGS)[1:]
    for one in found["comparisons"]:
        for paired in one["paired"].values():
            assert paired["won"] + paired["lost"] + paired["tied"] == 15
    assert not found["faults"]


def test_without_a_name_every_model_of_the_store_is_judged(
    stored_apart: StoredModel,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert stored_apart.name in store.names()
    monkeypatch.setattr(store, "names", lambda: [stored_apart.name])  # others may be large
    assert main(["evaluate", str(photographs), "--cache", str(tmp_path / "cache")]) == 0
    assert f"{stored_apart.name}: 30 photos of 15 items" in capsys.readouterr().out


def test_equal_runs_give_equal_figures(
    command: list[str], photographs: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "1.json", tmp_path / "2.json"]
    for out in outs:
        assert main([*command, str(photographs), "--json", str(out)]) == 0
    first, second = (figures(out)["rows"][0] for out in outs)
    for row in (first, second):
        del row["photo_cost"], row["listing_cost"]
    assert first == second


def test_what_cannot_be_read_is_named_and_counted(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    for name in ("cat", "coffee", "coins", "broken"):
        folder = root / "items" / name
        folder.mkdir(parents=True)
        for file in ("query.jpg", "listing.jpg"):
            data = encode(picture(name).resize((60, 60))) if name != "broken" else b"<html>"
            (folder / file).write_bytes(data)
    (root / "items" / "alone").mkdir()
    shutil.copy(root / "items" / "cat" / "query.jpg", root / "items" / "alone" / "query.jpg")
    out = tmp_path / "report.json"
    assert main([*command, str(root), "--json", str(out)]) == 0
    said = capsys.readouterr().err
    assert "3 left out" in said
    assert "alone: has no listing*" in said
    assert "broken/query.jpg: not_an_image: " in said
    row = figures(out)["rows"][0]
    assert (row["items"], row["measures"]["recall@1"]["value"]) == (3, 1)


def test_a_data_set_of_nothing_that_can_be_read_is_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "set" / "items" / name
        folder.mkdir(parents=True)
        for file in ("query.jpg", "listing.jpg"):
            (folder / file).write_bytes(b"no picture")
    assert main([*command, str(tmp_path / "set")]) == 1
    said = capsys.readouterr().err
    assert said.count("not_an_image") == 4
    assert "holds 0 items" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give at least one DATASET, or --from-log"),
        (["nowhere"], 1, "nowhere cannot be read: No such file or directory"),
        ([".", "--model", "nobody"], 1, "no model 'nobody'"),
        (["--from-log", "nowhere"], 1, "nowhere cannot be read"),
    ],
)
def test_a_slip_is_told(
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny: StoredModel,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [] if "--model" in arguments else ["--model", tiny.name]
    assert main(["evaluate", *arguments, *names]) == code
    assert said in capsys.readouterr().err


def test_what_it_needs_and_lacks_is_named_with_the_fix(photographs: Path) -> None:
    code = (
        "import sys; sys.modules['ir_measures'] = None;"
        "from clip_ranker.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "evaluate", str(photographs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the package ir_measures is missing" in done.stderr
    assert "pip install -e '.[evaluate]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_ranking_from_a_terminal_loads_nothing_of_it() -> None:
    code = (
        "import sys; import clip_ranker.cli.main;"
        "print({'ir_measures', 'sklearn', 'scipy', 'skimage'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_page_shows_mistakes_and_nothing_runs_in_it(
    command: list[str], photographs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "<script>alert(1)<"
    shutil.copytree(photographs, root)
    page = tmp_path / "page.html"
    arguments = ["--setting", "centre", "--setting", "pad", "--html", str(page)]
    assert main([*command, str(root), *arguments]) == 0
    written = page.read_text()
    assert "&lt;script&gt;alert(1)" in written
    assert "<script" not in written
    assert not re.search(r"(?:src|href)=.?https?:", written)
    assert re.search(r"tiny, centre: \d+ photos with a wrong listing first", written)
    assert written.count("data:image/jpeg;base64,") >= 3 * 2
    assert written.count("<svg") == 1
    assert len(re.findall(r"<polyline", written)) == 2


def test_feedback_is_judged_and_calibrates(
    stored_apart: StoredModel,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = np.random.default_rng(0)
    lines = []
    for item in range(60):
        photo = vector(item)
        near = photo + 0.05 * random.normal(size=len(photo)).astype(np.float32)
        pairs = [(near / np.linalg.norm(near), True)]
        pairs += [(vector(1000 + 30 * item + other), False) for other in range(30)]
        lines += [verdict(photo, one, same=same, model=stored_apart) for one, same in pairs]
    log, out, page = tmp_path / "log.jsonl", tmp_path / "report.json", tmp_path / "page.html"
    log.write_text("\n".join([*lines, lines[0][:99]]))
    arguments = ["--from-log", str(log), "--calibrate", "--json", str(out), "--html", str(page)]
    assert main([*command, *arguments, "--listings", "10"]) == 0
    fitted = figures(out)["calibrations"][0]
    assert figures(out)["rows"][0]["measures"]["recall@1"]["value"] > 0.9
    kept = calibration.load(stored_apart.graph.parent)
    assert kept is not None
    assert kept.precision == 0.95
    assert kept.same == fitted["calibration"]["same"]
    assert kept.probability(0.99) > 0.9 > 0.1 > kept.probability(0.1)
    assert f"calibrated {stored_apart.name}: " in capsys.readouterr().out
    assert "share that is right" in page.read_text()


def test_a_calibration_of_too_little_is_refused_and_stores_nothing(
    stored_apart: StoredModel,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / "log.jsonl"
    lines = [verdict(vector(n), vector(n), same=True, model=stored_apart) for n in range(4)]
    log.write_text("\n".join([*lines, ""]))
    assert main([*command, "--from-log", str(log), "--calibrate"]) == 1
    shown = capsys.readouterr()
    assert "4 items, calibrating needs at least 10" in shown.err
    assert "recall@1" in shown.out
    assert calibration.load(stored_apart.graph.parent) is None


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {re.escape(name)} ", shown, re.MULTILINE) for name in SETTINGS)


def test_the_commands_of_the_documents_run(
    stored_apart: StoredModel,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photographs)
    blocks = [one.text for one in commands(ROOT / "docs" / "models.md") if one.kind == "sh"]
    (block,) = (text for text in blocks if "mkdir -p photos/items" in text)
    lines = [shlex.split(line) for line in block.splitlines() if "clip-ranker evaluate" in line]
    assert len(lines) == 2
    for line in lines:
        assert main([*line[1:], "--model", stored_apart.name]) == 0
    assert "tiny, all-views" in (tmp_path / "report.html").read_text()
    assert calibration.load(stored_apart.graph.parent) is not None
