"""Which Python ``make`` takes, and what it says where there is none that it can."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.running import ROOT

FAKE = """\
#!/bin/sh
case "$2" in
*version_info*) echo {version} ;;
*ensurepip*) exit {without_ensurepip} ;;
*) echo "$0 $*" ;;
esac
"""


def made_by(
    folder: Path, pythons: dict[str, str], *asked: str, whole: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Asks for an environment where nothing but these programs, of these versions, is installed."""
    for name, version in pythons.items():
        program = folder / name
        program.write_text(FAKE.format(version=version, without_ensurepip=int(not whole)))
        program.chmod(0o755)
    return subprocess.run(
        [ROOT / "deploy" / "venv", "new", *asked],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": "3.12"}, "python3"),
        ({"python3": "3.14", "python3.13": "3.13"}, "python3.13"),
        ({"python3": "3.13", "python3.11": "3.11", "python3.12": "3.12"}, "python3.11"),
        ({"python3": "3.9", "python3.12": "3.12"}, "python3.12"),
    ],
)
def test_a_supported_one_is_found_whatever_else_there_is(
    tmp_path: Path, pythons: dict[str, str], taken: str
) -> None:
    made = made_by(tmp_path, pythons)
    assert made.stdout == f"{tmp_path / taken} -m venv new\n"


def test_the_one_asked_for_is_taken(tmp_path: Path) -> None:
    pythons = {"python3.11": "3.11", "python3.13": "3.13"}
    assert made_by(tmp_path, pythons, "python3.13").stdout == f"{tmp_path}/python3.13 -m venv new\n"


@pytest.mark.parametrize(
    ("pythons", "said"),
    [
        ({"python3": "3.10"}, "python3 is 3.10."),
        ({"python3": "3.14"}, "python3 is 3.14."),
        ({}, "nothing."),
    ],
)
def test_older_and_newer_ones_are_named_and_refused(
    tmp_path: Path, pythons: dict[str, str], said: str
) -> None:
    made = made_by(tmp_path, pythons)
    assert made.returncode == 1
    assert f"needs one of Python 3.11 3.12 3.13. Found: {said}" in made.stderr


def test_debian_s_missing_half_is_named(tmp_path: Path) -> None:
    made = made_by(tmp_path, {"python3": "3.12"}, whole=False)
    assert made.returncode == 1
    assert "install python3.12-venv" in made.stderr


def test_everything_names_the_same_versions() -> None:
    (known,) = re.findall(r'^known="(.*)"$', (ROOT / "deploy" / "venv").read_text(), re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classified = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    (looped,) = re.findall(r"for version in ([\d. ]+);", (ROOT / "Makefile").read_text())
    assert known == " ".join(classified) == looped
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    rest = workflow["jobs"]["pythons"]["strategy"]["matrix"]["python"]
    assert ["3.11", *rest] == known.split()  # Debian 12 has that one, for the other job
    assert project["requires-python"] == f">={known.split()[0]}"
    assert (
        f"Python {', '.join(known.split()[:-1])} or {known.split()[-1]}"
        in (ROOT / "README.md").read_text()
    )
