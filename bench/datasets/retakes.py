"""The same photograph, taken again as a phone would; every other photograph is a distractor."""

from pathlib import Path

from bench.datasets import photographs
from clip_ranker.evaluate.retake import Strength, retake

TIMES = 3


def build(folder: Path, part: photographs.Part, strength: Strength) -> None:
    """Writes an item for each photograph of the part, with ``TIMES`` photos."""
    for number, photograph in enumerate(photographs.of(part)):
        item = folder / photograph.name
        item.mkdir(parents=True)
        image = photograph.open()
        photographs.save_listing(image, item)
        for time in range(TIMES):
            again = retake(image, strength, seed=number * TIMES + time)
            photographs.save_query(again, item, time + 1)
