"""The same photograph, taken again as a phone would; every other photograph is a distractor."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from bench.datasets import photographs
from clip_ranker.evaluate.retake import Strength, retake

TIMES = 2
TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def build(
    folder: Path, part: photographs.Part, strength: Strength, *, turned: bool = False
) -> None:
    """Writes an item for each photograph of the part, with ``TIMES`` photos.

    ``turned`` also lays each photo on its side or its head, as one that lost its EXIF.
    """
    numbered: Iterable[tuple[int, photographs.Photograph]] = enumerate(photographs.of(part))
    with ProcessPoolExecutor() as processes:
        for _ in processes.map(partial(_item, folder, strength, turned), numbered):
            pass


def _item(
    folder: Path, strength: Strength, turned: bool, numbered: tuple[int, photographs.Photograph]
) -> None:
    number, photograph = numbered
    item = folder / photograph.name
    item.mkdir(parents=True)
    image = photograph.open()
    photographs.save_listing(image, item)
    for time in range(TIMES):
        again = retake(image, strength, seed=number * TIMES + time)
        if turned:
            again = again.transpose(TURNS[(number + time) % len(TURNS)])
        photographs.save_query(again, item, time + 1)
