"""Real photographs cut to the sizes that occur, as JPEG files in a folder."""

import random
from pathlib import Path

from PIL import Image

from tests.photos import PHOTOS, encode, picture

THUMBNAIL = (600, 450)
SIZES = {THUMBNAIL: 200, (300, 225): 50, (1200, 900): 50}
"""How many different pictures of each size there are."""
PHONE = (4000, 3000)
QUALITY = 85


def write(folder: Path) -> None:
    """Fills the folder with ``600x450/0.jpg`` and so on, and ``phone.jpg``; once."""
    done = folder / "phone.jpg"
    if done.exists():
        return
    chance = random.Random(0)
    photos = [picture(name) for name in sorted(PHOTOS)]
    for size, count in SIZES.items():
        sized = folder / name(size)
        sized.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            cut = _cut(photos[index % len(photos)], size, chance)
            (sized / f"{index}.jpg").write_bytes(encode(cut, quality=QUALITY))
    phone = _cut(photos[0], PHONE, chance)
    done.write_bytes(encode(phone, quality=90))


def name(size: tuple[int, int]) -> str:
    """``600x450``."""
    return "{}x{}".format(*size)


def _cut(photo: Image.Image, size: tuple[int, int], chance: random.Random) -> Image.Image:
    """A random part of the photograph, of the right shape, brought to the size."""
    largest = min(photo.width / size[0], photo.height / size[1])
    scale = largest * chance.uniform(0.6, 1)
    width, height = (max(1, int(side * scale)) for side in size)
    left = chance.randint(0, photo.width - width)
    top = chance.randint(0, photo.height - height)
    box = (left, top, left + width, top + height)
    return photo.resize(size, Image.Resampling.BICUBIC, box=box)
