"""What the environment says, and what it must not say by accident."""

import re
import sys

import pytest
import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from clip_ranker.entrypoint import DRAIN_LIMIT_S
from clip_ranker.settings import Settings
from tests.conftest import ROOT

LISTS = ["CLIP_API_KEY", "CLIP_ALLOWED_HOSTS", "CLIP_CORS_ORIGINS", "CLIP_ALLOW_PRIVATE_HOSTS"]


def value_of(name: str) -> object:
    return getattr(Settings(), name.removeprefix("CLIP_").lower())


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("value", [",", " ", " , ,\t", "\n"])
def test_a_list_of_separators_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=f"{name} holds nothing"):
        Settings()


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_is_unset_and_stray_separators_do_no_harm(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "")
    assert value_of(name) == ()
    monkeypatch.setenv(name, ",one, two,,three four,")
    assert value_of(name) == ("one", "two", "three", "four")


def test_looking_again_without_opencv_is_refused_by_the_name_of_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIP_LOCAL_FEATURES", "true")
    assert value_of("CLIP_LOCAL_FEATURES") is True
    monkeypatch.setitem(sys.modules, "cv2", None)  # as where it is not installed
    with pytest.raises(ValidationError, match=re.escape("pip install -e '.[local]'")):
        Settings()
    monkeypatch.delenv("CLIP_LOCAL_FEATURES")
    assert value_of("CLIP_LOCAL_FEATURES") is False


def test_the_page_has_every_setting_with_its_default_and_no_other() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\| `(CLIP_\w+)` \| (.*?) \| (.+?) \|$", page, re.M)
    actual = {
        f"CLIP_{name.upper()}": _shown(field) for name, field in Settings.model_fields.items()
    }
    assert {name: default.strip("`") for name, default, _ in rows} == actual | _of_compose()
    assert len(rows) == len({name for name, _, _ in rows})
    assert all(len(meaning) > 10 for _, _, meaning in rows)


def _shown(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default == () else str(default)


def _of_compose() -> dict[str, str]:
    """What compose puts in where the environment has nothing."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["clip-api"]
    defaults = dict(re.findall(r"\$\{(CLIP_\w+):-([^}]+)\}", str(service)))
    return defaults | {"CLIP_DRAIN_LIMIT_S": str(DRAIN_LIMIT_S)}
