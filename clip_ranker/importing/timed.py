"""A graph in the service's own encoder and nothing else, so that its memory can be told.

    python -m clip_ranker.importing.timed GRAPH BATCH HEIGHT WIDTH

answers ``ready`` and then, to each line on standard input, the seconds that one batch took.
"""

import sys
import time
from pathlib import Path

import numpy as np

from clip_ranker.models.encoder import Encoder


def main(graph: str, *shape: str) -> None:
    """Answers until standard input ends."""
    encoder = Encoder(Path(graph))
    pixels = np.random.default_rng(0).integers(0, 256, (*map(int, shape), 3), np.uint8)
    encoder(pixels)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        start = time.perf_counter()
        encoder(pixels)
        sys.stdout.write(f"{time.perf_counter() - start}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
