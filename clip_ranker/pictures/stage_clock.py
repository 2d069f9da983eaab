"""Where the time of a request went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["download", "decode", "embed"]


class StageClock:
    """Wall clock during which at least one picture of the request was in a stage."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._inside: dict[Stage, int] = {"download": 0, "decode": 0, "embed": 0}
        self._since: dict[Stage, float] = {}
        self._spent: dict[Stage, float] = dict.fromkeys(self._inside, 0.0)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Counts one picture into the stage for as long as the block runs."""
        if self._inside[name] == 0:
            self._since[name] = time.perf_counter()
        self._inside[name] += 1
        try:
            yield
        finally:
            self._inside[name] -= 1
            if self._inside[name] == 0:
                self._spent[name] += time.perf_counter() - self._since[name]

    def total_ms(self) -> float:
        """Milliseconds since the clock was made."""
        return (time.perf_counter() - self._start) * 1000

    def spent_ms(self, name: Stage) -> float:
        """Milliseconds spent in a stage so far."""
        spent_s = self._spent[name]
        if self._inside[name]:
            spent_s += time.perf_counter() - self._since[name]
        return spent_s * 1000
