"""A model in fp32 and in 8 bits side by side: what each costs on this processor, which to take."""

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import bentoml
import numpy as np
import psutil

from clip_ranker import processors
from clip_ranker.models import names, store
from clip_ranker.models.store import StoredModel

BATCH = 16
LEAST_S, LEAST_BATCHES = 2.0, 3
WORTH = 0.8
"""8 bits are taken at this share of the time or less: for little gain nobody wants other scores."""
ROWS = {
    "worst_cosine": "worst cosine to fp32",
    "top_1": "same first listing",
    "top_10": "same first ten",
    "kendall_tau": "Kendall's tau",
}


@dataclass(frozen=True)
class Cost:
    """Of one model on this processor.

    Attributes:
        picture_ms: median, in batches of ``BATCH``.
        memory_mb: resident, of a process with the session alone, after batches.
    """

    picture_ms: float
    memory_mb: float


def both(run: Callable[[Sequence[str]], int], arguments: Sequence[str], name: str) -> int:
    """Imports in fp32 and in 8 bits, and tells what each costs; returns the exit code.

    Args:
        run: the command line of the import, which tells what went wrong.
        arguments: for it; what comes last counts.
        name: of the model in fp32.
    """
    cheap = name + names.INT8
    if failed := run([*arguments, "--precision", "fp32", "--name", name]):
        return failed
    if run([*arguments, "--precision", "int8", "--name", cheap]):
        sys.stdout.write(f"\nTake {name}: in 8 bits it is not to be had.\n{_how(name)}")
        return 0
    exact_cost, cheap_cost = measured(store.load(name), store.load(cheap))
    metadata: dict[str, Any] = bentoml.models.get(cheap).info.metadata
    sys.stdout.write(told(name, exact_cost, cheap_cost, metadata["measured"]))
    return 0


def told(name: str, exact: Cost, cheap: Cost, agreement: dict[str, float]) -> str:
    """The table and the choice, for people; ``agreement`` is what the gate measured."""
    share = cheap.picture_ms / exact.picture_ms
    taken, left = name, name + names.INT8
    if share <= WORTH:
        taken, left = left, taken
    rows = [
        ("", "fp32", "8 bits", ""),
        (
            "ms a picture, 16 a call",
            _rounded(exact.picture_ms),
            _rounded(cheap.picture_ms),
            f"{share:.2f}",
        ),
        (
            "MB of its process",
            f"{exact.memory_mb:.0f}",
            f"{cheap.memory_mb:.0f}",
            f"{cheap.memory_mb / exact.memory_mb:.2f}",
        ),
        *((what, "1", f"{agreement[row]:.4f}", "") for row, what in ROWS.items()),
    ]
    lines = [f"{row[0]:<24}{row[1]:>8}{row[2]:>9}{row[3]:>7}".rstrip() for row in rows]
    return "\n".join(
        [
            "",
            f"Here, with {processors.available()} threads:",
            *lines,
            "",
            f"Take {taken}: 8 bits take {share:.2f} of the time, {WORTH} or less is worth it.",
            _how(taken) + f"Both are stored: {left} is served in the same way.",
            "",
        ]
    )


def _rounded(number: float) -> str:
    """To three digits and without an exponent: a tiny model takes microseconds."""
    return np.format_float_positional(number, 3, fractional=False, trim="-")


def _how(name: str) -> str:
    return f"  CLIP_MODEL={name} make run\n  make image MODEL={name}\n"


def measured(*models: StoredModel) -> list[Cost]:
    """Runs them in turns, each in a process of its own, for about ``LEAST_S`` each."""
    with ExitStack() as stack:
        sessions = [stack.enter_context(_Session(model)) for model in models]
        seconds: list[list[float]] = [[] for _ in sessions]
        while min(map(sum, seconds)) < LEAST_S or len(seconds[0]) < LEAST_BATCHES:
            for session, took in zip(sessions, seconds, strict=True):
                took.append(session.batch_s())
        return [
            Cost(statistics.median(took) / BATCH * 1000, session.memory_mb())
            for session, took in zip(sessions, seconds, strict=True)
        ]


class _Session:
    """``clip_ranker.importing.timed`` with a model."""

    def __init__(self, model: StoredModel) -> None:
        shape = (BATCH, model.preprocess.height, model.preprocess.width)
        module = ("-m", "clip_ranker.importing.timed", model.graph, *shape)
        self._process = psutil.Popen(
            [sys.executable, *map(str, module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def batch_s(self) -> float:
        """Of one batch."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def memory_mb(self) -> float:
        """Resident."""
        return float(self._process.memory_info().rss) / 1e6

    def _answer(self) -> str:
        line: str = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the session ended: the lines above say why")
        return line
