"""Every kind of picture that listings have: how it looks, or why it is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from clip_ranker.decode import images
from clip_ranker.decode.colours import to_srgb
from clip_ranker.decode.geometry import to_pixels
from clip_ranker.decode.header import read_header
from clip_ranker.errors import NotAnImageError
from clip_ranker.models.preprocess import Preprocess
from tests.decode import pictures, profiles
from tests.photos import encode

MAX_PIXELS = 50_000_000
CASES = pictures.cases()
REFUSED = pictures.refused()


@pytest.mark.parametrize("name", CASES)
def test_a_picture_looks_as_in_a_browser(name: str) -> None:
    case = CASES[name]
    found = images.decode(case.file(), max_pixels=MAX_PIXELS)
    assert found.mode == "RGB"
    assert found.size == case.pixels.shape[1::-1]
    assert np.abs(np.asarray(found, float) - case.pixels).mean() <= case.within


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_by_name(name: str) -> None:
    file, says = REFUSED[name]
    with pytest.raises(NotAnImageError, match=says):
        images.decode(file, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_colours_change_behind_the_resize_and_the_padding_does_not(mode: str) -> None:
    how = Preprocess(96, 128, (0.5,) * 3, (0.5,) * 3, resize_mode=mode, fill=90)
    other = pictures.image(profiles.stored(pictures.PIXELS, profiles.ADOBE, 2.2))
    file = encode(other, "PNG", icc_profile=profiles.rgb(profiles.ADOBE, 2.2))
    image, convert = images.load(read_header(file, max_pixels=MAX_PIXELS))
    assert np.array_equal(image, other)
    found = to_pixels(image, how, convert)
    plain = to_pixels(pictures.CAT, how)
    assert np.abs(found.astype(int) - plain).mean() < 2
    padding = (plain == 90).all(-1)
    assert (found[padding] == 90).all()


def test_without_a_profile_nothing_is_converted() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP"):
        opened = read_header(encode(pictures.CAT, kind), max_pixels=MAX_PIXELS)
        assert images.load(opened).to_srgb is None, kind


def test_a_transform_is_built_once_a_profile() -> None:
    profile = profiles.rgb(profiles.ADOBE, 2.2)
    assert to_srgb(profile, "RGB") is to_srgb(bytes(bytearray(profile)), "RGB")
    assert to_srgb(profile, "RGB") is not to_srgb(profiles.rgb(profiles.P3, 2.2), "RGB")


def test_a_file_that_decodes_leaves_pillow_strict() -> None:
    file = encode(pictures.CAT, "PNG")
    images.decode(file[: len(file) * 95 // 100], max_pixels=MAX_PIXELS)
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(file[: len(file) // 2])).load()
