"""Baseline: the plainly exported graph in ONNX Runtime as it comes, and nothing else.

One process, two threads at most, batches of 16, pictures decoded and normalised beforehand. Start
it with a graph, a model in the store that tells how to feed it, and a folder of pictures; each line
on standard input is a number of pictures, each line on standard output the seconds they took.
"""

import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from bench.settings import BATCH, THREADS
from clip_ranker.decode.geometry import fit, to_pixels
from clip_ranker.decode.images import decode
from clip_ranker.models import store

MOST = 64
"""Different pictures held; more are these again."""


def main(graph: str, model: str, folder: str) -> None:
    """Answers until standard input ends."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    files = sorted(Path(folder).glob("*.jpg"))[:MOST]
    preprocess = store.load(model).preprocess
    pixels = [
        to_pixels(fit(decode(path.read_bytes(), max_pixels=10**8), 768), preprocess)
        for path in files
    ]
    normalised = (np.stack(pixels) / 255 - preprocess.mean) / preprocess.std
    ready = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), np.float32)
    session.run(None, {"pixels": ready[:BATCH]})
    print("ready", flush=True)
    for line in sys.stdin:
        chosen = np.arange(int(line)) % len(ready)
        batches = [ready[chosen[at : at + BATCH]] for at in range(0, len(chosen), BATCH)]
        start = time.perf_counter()
        for batch in batches:
            session.run(None, {"pixels": batch})
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
