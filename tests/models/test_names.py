"""Names of models: what an import gives, and what is read out of them."""

import re
import subprocess
import sys
from contextlib import suppress

import bentoml
import pytest
from bentoml.exceptions import NotFound

from clip_ranker.cli import run
from clip_ranker.importing import command
from clip_ranker.models import names
from clip_ranker.settings import get_settings
from tests.conftest import ROOT

ENDS = ("", names.VIEWS, names.INT8, names.VIEWS + names.INT8)
ALL = [base + end for base in names.KNOWN for end in ENDS]
ALL = [name for name in ALL if not name.startswith("efficientnet_lite0_views")]


@pytest.mark.parametrize("name", ALL)
def test_an_import_by_what_a_name_tells_gives_that_name(name: str) -> None:
    arguments = names.arguments(name)
    assert arguments is not None
    assert command.name_of(command.parser("import_model.py").parse_args(arguments)) == name


def test_the_page_tells_the_same() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| `import_model\.py *(.*?)` \|$", page, re.M)
    assert {name: arguments.split() for name, arguments in told} == names.KNOWN


def test_a_name_that_tells_nothing_is_no_guess() -> None:
    assert names.arguments("openclip_vit_b16_siglip") is None
    assert names.arguments("efficientnet_lite0_views") is None
    command = [sys.executable, "-m", "clip_ranker.models.names", "unheard_of_int8"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1


def test_make_run_imports_what_its_name_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tiny_by_name_views_int8"
    tiny = ["--model", "tests/models/tiny.json", "--weights", "random"]
    monkeypatch.setitem(names.KNOWN, "tiny_by_name", tiny)
    monkeypatch.setenv("CLIP_MODEL", name)
    monkeypatch.chdir(ROOT)
    get_settings.cache_clear()
    with suppress(NotFound):
        bentoml.models.delete(name)  # of an earlier run
    try:
        assert run.chosen_model() == name
    finally:
        get_settings.cache_clear()
    told = bentoml.models.get(name).info.metadata
    assert set(told["measured"]) > {"kendall_tau"}
    assert told["digest"].endswith("-views-int8-smooth")
