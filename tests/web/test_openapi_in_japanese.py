"""The page at /docs has each text of the document in Japanese."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_ranker.web import openapi

JAPANESE = Path(openapi.__file__).parent / "static" / "docs.ja.json"


def texts(node: Any) -> Iterator[str]:
    """Every summary and description; of examples only the shape is looked at."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("summary", "description") and isinstance(value, str):
                yield value
            elif name != "example":
                yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def test_every_text_is_there_in_japanese_and_no_other() -> None:
    japanese = json.loads(JAPANESE.read_text(encoding="utf-8"))
    assert set(texts(openapi.document(demo=True))) == set(japanese)


def test_code_stays_as_it_is() -> None:
    for english, japanese in json.loads(JAPANESE.read_text(encoding="utf-8")).items():
        assert set(english.split("`")[1::2]) == set(japanese.split("`")[1::2]), english
