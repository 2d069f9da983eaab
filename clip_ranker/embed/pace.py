"""How many pictures a model embeds before a deadline, by what its last calls took."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

USED_OF_THE_TIME = 3 / 4
"""Calls vary, and what comes back too late is of use to the cache alone."""
TELLING = 4
"""Pictures from which on a call tells what one takes: a lone one takes longer."""


class Pace:
    """Seconds that a picture takes in calls of each model, which its function for them tells."""

    def __init__(self) -> None:
        self._one_s: dict[Callable[..., Any], float] = {}

    def took(self, embed: Callable[..., Any], pictures: int, seconds: float) -> None:
        """A call of so many is back."""
        one_s = seconds / pictures
        if pictures >= TELLING or one_s < self._one_s.get(embed, math.inf):
            self._one_s[embed] = one_s

    def most_before(self, embed: Callable[..., Any], deadline: float) -> float:
        """How many can be expected back by then, in the event loop's time.

        At least one; infinite where no call has told yet.
        """
        if not (one_s := self._one_s.get(embed)) or math.isinf(deadline):
            return math.inf
        left_s = deadline - asyncio.get_running_loop().time()
        return max(1, left_s * USED_OF_THE_TIME // one_s)
