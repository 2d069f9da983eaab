"""How many pictures a model embeds before a deadline, by what its last call took."""

import math
from collections.abc import Callable
from typing import Any

USED_OF_THE_TIME = 3 / 4
"""Calls vary, and one that comes back too late has lost all that is in it."""


class Pace:
    """Seconds a picture takes in the calls of each model, the last of each.

    A call is told by its embed function; a few texts count as one picture.
    """

    def __init__(self) -> None:
        self._one_s: dict[Callable[..., Any], float] = {}

    def took(self, embed: Callable[..., Any], pictures: int, seconds: float) -> None:
        """A call of so many is back."""
        self._one_s[embed] = seconds / pictures

    def most_within(self, embed: Callable[..., Any], seconds: float) -> float:
        """How many can be expected back in that time, at least one; infinite if nobody knows."""
        if not (one_s := self._one_s.get(embed)) or math.isinf(seconds):
            return math.inf
        return max(1, seconds * USED_OF_THE_TIME // one_s)
