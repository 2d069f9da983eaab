"""Seconds a picture and the memory it takes, measured afresh: kept vectors would cost nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from clip_ranker.errors import CandidateError
from clip_ranker.evaluate.vectors import to_pixels
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Preprocess

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


def measure(
    names: Sequence[str], views: Sequence[str], encoder: Encoder, preprocess: Preprocess
) -> Cost | None:
    """Of a few of the files; None when none can be read."""
    seconds = []
    _forget_peak()
    for name in names[:PICTURES]:
        begun = time.perf_counter()
        try:
            pixels = to_pixels(Path(name).read_bytes(), views, preprocess)
        except (OSError, CandidateError):
            continue
        encoder(np.stack([pixels[view] for view in views]))
        seconds.append(time.perf_counter() - begun)
    return Cost(median(seconds[1:] or seconds), _peak()) if seconds else None


def _forget_peak() -> None:
    """Has Linux count the peak from now on."""
    if REFS.exists():
        REFS.write_text("5")


def _peak() -> int:
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return int(psutil.Process().memory_info().rss)
