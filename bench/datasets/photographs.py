"""The real photographs, listed in ``photographs.csv`` by scene and part.

The part ``fit`` is what the starter's whitening is fitted on; the part ``test`` never is.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from bench.datasets import packages

Part = Literal["fit", "test"]
PHOTO_PX = 768
LISTING_PX = 400
QUALITY = 88


class Photograph(NamedTuple):
    """``source`` and ``file`` say where it is; two of one ``scene`` show the same."""

    source: str
    file: str
    scene: str
    part: Part

    @property
    def name(self) -> str:
        """For folders, unlike all others."""
        return f"{self.source}-{Path(self.file).stem}"

    def open(self) -> Image.Image:
        """RGB, at most ``PHOTO_PX`` long."""
        with Image.open(packages.SOURCES / self.source / self.file) as image:
            return shrunk(image.convert("RGB"), PHOTO_PX)


@cache
def every() -> dict[str, Photograph]:
    """All, by name; fetches them first."""
    with Path(__file__).with_name("photographs.csv").open() as file:
        rows = [
            (*row["file"].split("/", 1), row["scene"], row["part"]) for row in csv.DictReader(file)
        ]
    for source in dict.fromkeys(row[0] for row in rows):
        packages.fetch(source)
    found = [Photograph(*row) for row in rows]
    return {photograph.name: photograph for photograph in found}


def of(part: Part) -> list[Photograph]:
    """One photograph of each scene of that part."""
    return list({one.scene: one for one in reversed(every().values()) if one.part == part}.values())


def shrunk(image: Image.Image, longest_px: int) -> Image.Image:
    """No side longer than that."""
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    return image


def save_listing(image: Image.Image, item: Path, number: int = 1) -> None:
    """Writes a thumbnail as an auction site shows it."""
    shrunk(image.copy(), LISTING_PX).save(item / f"listing{number}.jpg", quality=QUALITY)


def save_query(image: Image.Image, item: Path, number: int = 1) -> None:
    """Writes a photo as it comes from the app."""
    image.save(item / f"query{number}.jpg", quality=QUALITY)
