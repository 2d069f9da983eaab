"""A small data set of real photographs, and a model to judge."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clip_ranker.evaluate.retake import retake
from clip_ranker.models import store
from clip_ranker.models.store import StoredModel
from tests.photos import PHOTOS, picture

LONGEST_PX = 256


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of items: each photograph as a listing, and taken again as two photos."""
    root = tmp_path_factory.mktemp("photographs")
    for seed, name in enumerate(PHOTOS):
        folder = root / "items" / name
        folder.mkdir(parents=True)
        listing = picture(name)
        listing.thumbnail((LONGEST_PX, LONGEST_PX))
        listing.save(folder / "listing.jpg", quality=90)
        retake(listing, "middle", seed).save(folder / "query-1.jpg", quality=90)
        retake(listing, "hard", seed).save(folder / "query-2.jpg", quality=90)
    return root


@pytest.fixture(scope="session")
def tiny(stored: Callable[[str], str]) -> StoredModel:
    """A small model with random weights."""
    return store.load(stored("tiny"))
