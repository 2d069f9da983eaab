"""The program ``clip-ranker``, and what stands behind its names."""

import subprocess
import sys
import tomllib
from pkgutil import resolve_name

import pytest

from clip_ranker import __main__, __version__
from tests.conftest import ROOT


def test_the_script_that_is_installed_is_the_module_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert resolve_name(project["scripts"]["clip-ranker"]) is __main__.main


def test_its_version_is_that_of_the_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clip-ranker", "--version"])
    with pytest.raises(SystemExit, match="0"):
        __main__.main()
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("command", "name"),
    [("-m clip_ranker import", "clip-ranker import"), ("import_model.py", "import_model.py")],
)
def test_importing_goes_by_two_names(command: str, name: str) -> None:
    shown = subprocess.run(
        [sys.executable, *command.split(), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.startswith(f"usage: {name} ")
    assert "--pretrained" in shown


def test_the_help_names_the_program_and_the_import() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "clip_ranker", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert shown.startswith("usage: clip-ranker ")
    assert "import --help" in shown
