"""The starter still ranks as well as it did: no change of the model or of pixels goes unseen."""

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from clip_ranker.evaluate import files
from clip_ranker.evaluate.measures import Measure
from clip_ranker.evaluate.retake import retake
from clip_ranker.evaluate.run import Run
from clip_ranker.models import store
from tests.photos import PHOTOS, picture

LONGEST_PX = 512
COMMITTED = Measure(0.783, 0.700, 0.858)
"""Recall at 1, measured by this test; put what it says here when a change is meant."""


def quarters(image: Image.Image) -> Iterator[Image.Image]:
    """Each quarter is an item: what surrounds it in the photograph is like it, and wrong."""
    width, height = image.width // 2, image.height // 2
    for left, top in ((0, 0), (width, 0), (0, height), (width, height)):
        yield image.crop((left, top, left + width, top + height))


def test_the_starter_ranks_no_worse(stored: Callable[[str], str], tmp_path: Path) -> None:
    whole = [picture(name) for name in PHOTOS]
    for image in whole:
        image.thumbnail((LONGEST_PX, LONGEST_PX))
    for seed, item in enumerate(part for image in whole for part in quarters(image)):
        folder = tmp_path / "items" / str(seed)
        folder.mkdir(parents=True)
        item.save(folder / "listing.png")
        for strength in ("middle", "hard"):
            retake(item, strength, seed).save(folder / f"query-{strength}.png")
    run = Run([files.read(tmp_path)], log=None, settings=["centre"], cache=tmp_path / "cache")
    report = run([store.load(stored("efficientnet_lite0"))])
    found = report.rows[0].measures["recall@1"]
    assert found.value >= COMMITTED.low, f"{found} is worse than {COMMITTED}"
