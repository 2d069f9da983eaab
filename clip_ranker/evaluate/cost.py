"""Seconds a picture and the memory it takes, measured afresh: kept vectors would cost nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from clip_ranker.evaluate.vectors import Embedder, to_pixels

PICTURES = 7
"""The first of these is not counted."""
REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Of one picture from file to vector, alone.

    Attributes:
        seconds: median.
        peak_bytes: most memory this process had meanwhile, the model and its libraries with it.
    """

    seconds: float
    peak_bytes: int


class Costs:
    """Of one model, by views; each is measured once, of a few files."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[tuple[str, ...], Cost] = {}

    def __call__(self, names: Sequence[str], views: tuple[str, ...]) -> Cost:
        """Of these views; ``names`` are files that can be read."""
        if views not in self._known:
            self._known[views] = self._measure(names[:PICTURES], views)
        return self._known[views]

    def _measure(self, names: Sequence[str], views: tuple[str, ...]) -> Cost:
        encoder, seconds = self._embedder.encoder, []
        _forget_peak()
        for name in names:
            begun = time.perf_counter()
            pixels = to_pixels(Path(name).read_bytes(), views, self._embedder.preprocess)
            encoder(np.stack([pixels[view] for view in views]))
            seconds.append(time.perf_counter() - begun)
        return Cost(median(seconds[1:] or seconds), _peak())


def _forget_peak() -> None:
    """Has Linux count the peak from now on."""
    if REFS.exists():
        REFS.write_text("5")


def _peak() -> int:
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return int(psutil.Process().memory_info().rss)
