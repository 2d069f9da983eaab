"""What the environment says, and what it must not say by accident."""

import pytest
from pydantic import ValidationError

from clip_ranker.settings import Settings

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
