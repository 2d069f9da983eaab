"""What is imported is asked for by name, not brought by something else by chance."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.conftest import ROOT

IMPORTING = [ROOT / "import_model.py", *(ROOT / "clip_ranker" / "importing").glob("*.py")]
JUDGING = [
    *(ROOT / "clip_ranker" / "evaluate").glob("*.py"),
    *(ROOT / "clip_ranker" / "cli" / "evaluate").glob("*.py"),
]
SERVING = [ROOT / "service.py", *(ROOT / "clip_ranker").rglob("*.py")]
IMPORTED_BY_HTTPCORE = {"sniffio"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported(files: Iterable[Path]) -> set[str]:
    """Distributions that the files import, by their normalised names."""
    modules = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module or "")
    packages = {module.partition(".")[0] for module in modules}
    packages -= {*sys.stdlib_module_names, "clip_ranker"}
    brought_by = packages_distributions()
    return {normalised(brought_by[package][0]) for package in packages}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(requirements: list[str]) -> set[str]:
    return {normalised(re.split(r"[^\w.-]", line)[0]) for line in requirements}


def test_the_service_asks_for_what_it_imports_and_for_nothing_else() -> None:
    serving = imported(set(SERVING) - {*IMPORTING, *JUDGING})
    optional = asked_for(PROJECT["optional-dependencies"]["local"])
    wanted = asked_for(PROJECT["dependencies"]) | optional
    assert serving | IMPORTED_BY_HTTPCORE == wanted


def test_the_import_asks_for_what_it_imports() -> None:
    extra = PROJECT["optional-dependencies"]["import"]
    assert imported(IMPORTING) <= asked_for([*PROJECT["dependencies"], *extra])


def test_judging_asks_for_what_it_imports_and_for_nothing_else() -> None:
    extra = asked_for(PROJECT["optional-dependencies"]["evaluate"])
    assert imported(JUDGING) - asked_for(PROJECT["dependencies"]) == extra


def test_what_the_service_asks_for_is_pinned() -> None:
    pins = asked_for((ROOT / "requirements.txt").read_text().splitlines())
    assert asked_for(PROJECT["dependencies"]) <= pins
