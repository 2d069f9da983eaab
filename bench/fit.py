"""Makes the starter's whitening anew, and the golden ranking with it: ``python -m bench.fit``."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from bench import starters
from clip_ranker import examples
from clip_ranker.decode.geometry import to_pixels
from clip_ranker.importing import parity, sources, starter

GOLDEN = Path("tests/service/golden/efficientnet_lite0.json")


def main() -> int:
    """Fits, writes, and tells the digest that ``starter.SHA256`` has to be."""
    found = starters.fit()
    with starter.FILE.open("wb") as file:
        np.savez(file, mean=found.mean, basis=found.basis.astype(np.float16))
    starter.SHA256 = hashlib.sha256(starter.FILE.read_bytes()).hexdigest()
    print(f"SHA256 = {starter.SHA256!r}")
    renew_golden()
    return 0


def renew_golden() -> None:
    """Cosines of the shipped pictures with each other, by the starter as it is now."""
    source = sources.starter()
    pixels = np.stack([to_pixels(picture, source.preprocess) for picture in parity.shipped()])
    vectors = starters.in_torch(source)(pixels)
    names = examples.names()
    rows = [dict(zip(names, map(float, row.round(6)), strict=True)) for row in vectors @ vectors.T]
    GOLDEN.write_text(json.dumps(dict(zip(names, rows, strict=True)), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
