"""The starter still ranks as well as it did: no change of the model or of pixels goes unseen."""

from collections.abc import Callable
from pathlib import Path

from clip_ranker.evaluate import files
from clip_ranker.evaluate.measures import Measure
from clip_ranker.evaluate.retake import retake
from clip_ranker.evaluate.run import Run
from clip_ranker.models import store
from tests.photos import PHOTOS, picture

TIMES = 4
"""Each photograph is taken again."""
COMMITTED = Measure(0.9, 0.8166666666666667, 0.9666666666666667)
"""Recall at 1, measured by this test; put what it says here when a change is meant."""


def test_the_starter_ranks_no_worse(stored: Callable[[str], str], tmp_path: Path) -> None:
    for seed, name in enumerate(PHOTOS):
        folder = tmp_path / "items" / name
        folder.mkdir(parents=True)
        listing = picture(name)
        listing.thumbnail((320, 320))
        listing.save(folder / "listing.png")
        for time in range(TIMES):
            photo = retake(listing, "hard", TIMES * seed + time)
            photo.save(folder / f"query-{time}.png")
    run = Run([files.read(tmp_path)], log=None, settings=["centre"], cache=tmp_path / "cache")
    report = run([store.load(stored("efficientnet_lite0"))])
    found = report.rows[0].measures["recall@1"]
    assert found.value >= COMMITTED.low, f"{found} is worse than {COMMITTED}"
