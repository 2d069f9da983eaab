"""The same photograph, taken again as a phone would; every other photograph is a distractor."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from bench.datasets import photographs
from clip_ranker.evaluate.retake import Strength, retake

TIMES = 2
TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def build(
    folder: Path,
    part: photographs.Part,
    strength: Strength,
    turns: Sequence[Image.Transpose] = (),
    first_seed: int = 0,
) -> None:
    """Writes an item for each photograph of the part, with ``TIMES`` photos, a seed each.

    ``turns`` are done to one photo after the other, as if it had lost its EXIF.
    """
    numbered: Iterable[tuple[int, photographs.Photograph]] = enumerate(photographs.of(part))
    with ProcessPoolExecutor() as processes:
        for _ in processes.map(partial(_item, folder, strength, turns, first_seed), numbered):
            pass


def _item(
    folder: Path,
    strength: Strength,
    turns: Sequence[Image.Transpose],
    first_seed: int,
    numbered: tuple[int, photographs.Photograph],
) -> None:
    number, photograph = numbered
    item = folder / photograph.name
    item.mkdir(parents=True)
    image = photograph.open()
    photographs.save_listing(image, item)
    for time in range(TIMES):
        again = retake(image, strength, seed=first_seed + number * TIMES + time)
        if turns:
            again = again.transpose(turns[(number + time) % len(turns)])
        photographs.save_query(again, item, time + 1)
