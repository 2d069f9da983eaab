"""A photograph taken again: by seed, harder by strength, and never another size."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from clip_ranker.evaluate.retake import Strength, retake
from tests.photos import picture

STRENGTHS: tuple[Strength, ...] = get_args(Strength)


@pytest.fixture(scope="module")
def coffee() -> Image.Image:
    return picture("coffee").resize((300, 200))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_seed_decides_all(coffee: Image.Image, strength: Strength) -> None:
    once, again, other = (retake(coffee, strength, seed) for seed in (3, 3, 4))
    assert once.tobytes() == again.tobytes()
    assert once.tobytes() != other.tobytes()
    assert (once.mode, once.size) == ("RGB", coffee.size)


def test_a_greater_strength_changes_more(coffee: Image.Image) -> None:
    def change(strength: Strength) -> float:
        pairs = ((coffee, retake(coffee, strength, seed)) for seed in range(12))
        grey = ([np.asarray(one.convert("L"), float).ravel() for one in pair] for pair in pairs)
        return float(np.mean([1 - np.corrcoef(*pair)[0, 1] for pair in grey]))

    light, middle, hard = map(change, STRENGTHS)
    assert light < middle < hard


def test_other_modes_and_small_pictures_go_too() -> None:
    for mode, size in (("L", (40, 30)), ("RGBA", (8, 8)), ("P", (1, 50))):
        assert retake(Image.new(mode, size), "hard", 0).size == size
