"""Views and settings: what they make of a picture, and what of vectors."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip_ranker.decode.images import Picture
from clip_ranker.evaluate.salient import WHOLE, salient_box
from clip_ranker.evaluate.setting import SETTINGS, VIEWS, Setting, summed
from clip_ranker.models.preprocess import Pixels, Preprocess
from tests.photos import picture

SIDE = 32
PREPROCESS = Preprocess(SIDE, SIDE, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


def seen(view: str, image: Image.Image) -> Pixels:
    return VIEWS[view](Picture(image, None), PREPROCESS)


def stripes() -> Image.Image:
    """Twice as wide as high: red, green in the middle half, blue."""
    image = Image.new("RGB", (80, 40), "green")
    image.paste("red", (0, 0, 20, 40))
    image.paste("blue", (60, 0, 80, 40))
    return image


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_of_the_models_size(view: str) -> None:
    for size in ((80, 40), (40, 80), (1, 300), (500, 500)):
        pixels = seen(view, Image.new("RGB", size, "red"))
        assert (pixels.shape, pixels.dtype) == ((SIDE, SIDE, 3), np.uint8)


def test_views_show_what_they_say() -> None:
    green = np.array((0, 128, 0))
    assert np.abs(seen("centre", stripes()) - green)[:, 8:24].max() < 3
    padded = seen("pad", stripes())
    assert np.ptp(padded[[0, -1]]) == 0
    assert padded[0, 0, 0] == 128
    assert padded[16, 1].argmax() == 0
    assert padded[16, -2].argmax() == 2
    ring = Image.new("RGB", (100, 100), "red")
    ring.paste("green", (10, 10, 90, 90))
    assert seen("centre", ring)[0, 0].argmax() == 0
    assert seen("crop.62", ring)[0, 0].argmax() == 1


def test_turned_views_are_quarters() -> None:
    image = picture("cat")
    turns = [seen("centre", image), *(seen(f"turned-{quarters}", image) for quarters in (1, 2, 3))]
    for quarters, pixels in enumerate(turns):
        # The crop of a turned picture may be another by half a pixel.
        assert np.abs(np.rot90(turns[0], quarters).astype(int) - pixels).mean() < 6


def test_a_thing_on_a_table_is_found() -> None:
    table = picture("gravel").convert("L").point(lambda level: 150 + level // 16).convert("RGB")
    table = table.resize((160, 120))
    ImageDraw.Draw(table).ellipse((90, 20, 140, 80), fill=(200, 30, 30))
    left, top, right, bottom = salient_box(table)
    assert (left, top, right, bottom) == pytest.approx(
        (90 / 160, 20 / 120, 140 / 160, 80 / 120), abs=0.08
    )
    reddish = seen("tight", table).astype(int)
    assert (reddish[..., 0] - reddish[..., 1] > 60).mean() > 0.3


def test_where_nothing_stands_out_the_whole_is_taken() -> None:
    assert salient_box(Image.new("RGB", (100, 100), "grey")) == WHOLE
    assert salient_box(Image.new("RGB", (10, 4))) == WHOLE


def unit(*vectors: tuple[float, float]) -> NDArray[np.float32]:
    found = np.array(vectors, np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def test_views_are_summed_or_the_best_counts() -> None:
    photo, listings = unit((1, 0), (0, 1))[None], unit((1, 0), (1, 1))
    assert Setting("").scores(photo, listings) == pytest.approx([0.5**0.5, 1])
    assert Setting("", views="best").scores(photo, listings) == pytest.approx([1, 0.5**0.5])
    assert summed(photo) == pytest.approx(unit((1, 1)))


def test_of_several_photos_the_mean_or_the_best_counts() -> None:
    photos, listings = unit((1, 0), (0, 1))[:, None], unit((1, 0), (1, 1))
    assert SETTINGS["mean"].scores(photos, listings) == pytest.approx([0.5, 0.5**0.5])
    assert SETTINGS["best"].scores(photos, listings) == pytest.approx([1, 0.5**0.5])


def test_settings_name_views_that_there_are() -> None:
    for setting in SETTINGS.values():
        assert set(setting.photo + setting.listing) <= VIEWS.keys()
