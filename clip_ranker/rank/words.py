"""Texts as a request holds them: titles, and words beside the photo."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from clip_ranker.rank.lenient import kind_of

LONGEST_WORDS = 1000
"""Characters: what a person types, or a title that is pasted."""
WITH_WORDS = 0.5
"""Weight of titles where there are words and nothing is said of it: docs/evaluation.md."""


def _words(value: object) -> object:
    match value:
        case str():
            return value.strip() or None
        case int() if not isinstance(value, bool):
            return str(value)  # such as the number of a set
    raise ValueError(f"it is {kind_of(value)}: send the words as text")


def _text_or_none(value: object) -> object:
    return value if isinstance(value, str) else None


Words = Annotated[Annotated[str, Field(max_length=LONGEST_WORDS)] | None, BeforeValidator(_words)]
Title = Annotated[str | None, BeforeValidator(_text_or_none)]
