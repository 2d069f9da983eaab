"""A stored graph in the service's own encoder, and nothing else.

Start it with the name of a model, and how many threads it may use; each line on standard input is
a number of pictures, each line on standard output the seconds they took in batches of 16.
"""

import sys
import time

import numpy as np

from bench.settings import BATCH, THREADS
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder


def main(name: str, threads: str = str(THREADS)) -> None:
    """Answers until standard input ends."""
    model = store.load(name)
    encoder = Encoder(model.graph, threads=int(threads))
    shape = (BATCH, model.preprocess.height, model.preprocess.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    encoder(pixels)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for at in range(0, int(line), BATCH):
            encoder(pixels[: int(line) - at])
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
