"""Where the time of a request went."""

import time
from collections import Counter
from typing import Literal

Stage = Literal["download", "decode", "embed", "text"]


class StageClock:
    """Wall clock during which at least one picture, or text, of the request was in a stage."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._inside: Counter[Stage] = Counter()
        self._since: dict[Stage, float] = {}
        self._spent_s: dict[Stage, float] = {"download": 0, "decode": 0, "embed": 0}

    def enter(self, stage: Stage) -> None:
        """One more picture is in the stage."""
        if not self._inside[stage]:
            self._since[stage] = time.perf_counter()
            self._spent_s.setdefault(stage, 0)  # of texts only where there are any
        self._inside[stage] += 1

    def leave(self, stage: Stage) -> None:
        """One fewer is."""
        self._inside[stage] -= 1
        if not self._inside[stage]:
            self._spent_s[stage] += time.perf_counter() - self._since[stage]

    def total_ms(self) -> float:
        """Milliseconds since the clock was made."""
        return (time.perf_counter() - self._start) * 1000

    def spent_ms(self) -> dict[Stage, float]:
        """Milliseconds spent in each stage so far."""
        now = time.perf_counter()
        inside = {stage: now - self._since[stage] for stage in +self._inside}
        return {stage: 1000 * (s + inside.get(stage, 0)) for stage, s in self._spent_s.items()}
