"""Points of interest, as a decoder finds them."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_ranker.decode.geometry import fit
from clip_ranker.decode.points import LEAST_PX, LONGEST_PX, MOST_POINTS, POINT, find
from clip_ranker.decode.pool import Decoded, Decoder
from clip_ranker.models.preprocess import Preprocess
from tests.decode import profiles
from tests.photos import encode, picture

TINY = Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3)


def places(points: bytes) -> np.ndarray:
    return np.frombuffer(points, POINT)["place"]


@pytest.mark.parametrize("name", ["cat", "coffee", "motorcycle"])
def test_a_photograph_has_points_of_which_each_lies_in_it(name: str) -> None:
    image = picture(name)
    found = places(find(image))
    assert 100 < len(found) <= MOST_POINTS
    assert len(np.unique(found, axis=0)) > 50
    assert (found < fit(image, LONGEST_PX).size).all()
    assert find(image) == find(image)


def test_where_everything_stands_out_equally_no_more_are_kept() -> None:
    tile = np.random.default_rng(0).integers(0, 2, (12, 12, 3)) * 255
    tiles = Image.fromarray(np.tile(tile.astype(np.uint8), (40, 40, 1)))
    assert len(places(find(tiles))) == MOST_POINTS


@pytest.mark.parametrize(
    "size", [(1, 1), (LEAST_PX - 1, 400), (2048, 200), (1, 2048), (480, 480), (2000, 3)]
)
def test_a_narrow_picture_and_one_of_one_colour_have_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    if min(size) * LONGEST_PX < LEAST_PX * max(size) or min(size) < LEAST_PX:
        assert find(Image.fromarray(noise)) == b""
    assert find(Image.new("RGB", size, "red")) == b""


@settings(max_examples=30)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
def test_no_picture_is_too_odd(width: int, height: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    few = random.integers(0, 256, (height // 7 + 1, width // 7 + 1), np.uint8)
    drawn = np.kron(few, np.ones((7, 7), np.uint8))[:height, :width]
    found = places(find(Image.fromarray(drawn).convert("RGB")))
    assert len(found) <= MOST_POINTS
    assert (found < (width, height)).all()


def test_a_decoder_finds_those_of_the_upright_picture_where_it_is_asked_to() -> None:
    swapped = profiles.SRGB[:, ::-1]
    file = encode(picture("cat"), "PNG")
    coloured = encode(picture("cat"), "PNG", icc_profile=profiles.rgb(swapped, 2.2))

    async def decoded(*, local_features: bool) -> list[Decoded | None]:
        decoder = Decoder(processes=1, max_pixels=10**7, local_features=local_features)
        try:
            asked = ((file, 0), (file, 1), (coloured, 0))
            return [await decoder(data, TINY, 768, quarters=turn) for data, turn in asked]
        finally:
            await decoder.close()

    plain, pointed = (asyncio.run(decoded(local_features=on)) for on in (False, True))
    assert [one and one.points for one in plain] == [b""] * 3
    upright, turned, in_colours = (one.points for one in pointed if one)
    assert upright == find(fit(picture("cat"), 768))
    assert turned == b""
    assert in_colours
    assert in_colours != upright
    for one, other in zip(plain, pointed, strict=True):
        assert one
        assert other
        assert (one.pixels == other.pixels).all()
        assert one.fingerprint == other.fingerprint
