"""Titles and words from a terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clip_ranker import examples
from clip_ranker.cli.main import main
from tests.running import Service

PHOTO = str(examples.FOLDER / "cat.jpg")
WORDS = ["--query-text", " ntr001 ", "--title-weight", "0.9", "--json"]


@pytest.fixture
def listings(tmp_path: Path) -> str:
    path = tmp_path / "listings.json"
    titles = {"cat": "猫 NTR-002", "coffee": "カップ NTR-001", "rocket": "ロケット NTR-003"}
    path.write_text(
        json.dumps(
            [
                {"auction_id": name, "image_url": f"example:{name}", "title": title}
                for name, title in titles.items()
            ]
        )
    )
    return str(path)


def test_words_count_in_the_process_and_by_a_service(
    stored: Callable[[str], str],
    service: Service,
    listings: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for where in (["--model", stored("tiny")], ["--url", service.url]):
        assert main(["rank", PHOTO, listings, *where, *WORDS]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert answer["results"][0]["auction_id"] == "coffee"
        assert answer["meta"]["text_method"] == "lexical"


def test_a_model_that_reads_text_needs_no_words(
    stored: Callable[[str], str], listings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--title-weight", "0.5", "--json", "--model"]
    assert main(["rank", PHOTO, listings, *more, stored("tiny_text")]) == 0
    assert json.loads(capsys.readouterr().out)["meta"]["text_method"] == "model"
    assert main(["rank", PHOTO, listings, *more, stored("tiny")]) == 1
    assert "title_weight: the model tiny reads no text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--title-weight", "1.5", "1.5 is not between 0 and 1"),
        ("--title-weight", "nan", "nan is not between 0 and 1"),
        ("--title-weight", "much", "'much' is not a number"),
        ("--query-text", "a" * 1001, "more than 1000 characters"),
    ],
)
def test_what_is_refused(
    option: str, value: str, says: str, listings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rank", PHOTO, listings, option, value])
    assert ended.value.code == 2
    assert says in " ".join(capsys.readouterr().err.split())
