"""What an import says while it runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what begins, and how long it took."""
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - start:.1f} s", flush=True)


def found(what: str) -> None:
    """Says what a step found."""
    print(f"  {what}", flush=True)


def warn(what: str) -> None:
    """Says what people should know, in a line that stands out."""
    print(f"warning: {what}", file=sys.stderr, flush=True)
