"""Which listings show the same picture, and what is answered of them."""

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from clip_ranker.decode import geometry, images
from clip_ranker.decode.fingerprint import FINGERPRINT_BYTES, fingerprint
from clip_ranker.decode.header import read_header
from clip_ranker.errors import NotAnImageError
from clip_ranker.models.preprocess import Preprocess
from clip_ranker.rank.groups import MOST_APART, same_pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import in_order
from tests.photos import PHOTOS, encode, picture

PREPROCESS = Preprocess(224, 224, (0.5,) * 3, (0.5,) * 3)


def random_print(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(FINGERPRINT_BYTES)


def shifted(one: bytes, levels: int, at: int = 7) -> bytes:
    """The same but for one value."""
    return one[:at] + bytes([one[at] + levels]) + one[at + 1 :]


def test_what_is_near_enough_is_one_group_and_chains_are_too() -> None:
    one = bytes(FINGERPRINT_BYTES)
    two = shifted(one, MOST_APART)
    three = shifted(two, MOST_APART)
    apart = shifted(one, MOST_APART + 1, at=50)
    brighter = bytes([MOST_APART + 1]) * FINGERPRINT_BYTES
    found = same_pictures({3: three, 1: one, 7: brighter, 2: two, 9: apart, 4: brighter})
    assert found == {1: 1, 2: 1, 3: 1, 4: 4, 7: 4, 9: 9}
    assert same_pictures({1: one, 3: three}) == {1: 1, 3: 3}
    assert same_pictures({}) == {}


@given(st.lists(st.integers(0, 9), max_size=60), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_list(
    pictures: list[int], chance: random.Random
) -> None:
    listed = {n: random_print(which) for n, which in enumerate(pictures)}
    places = list(range(len(pictures)))
    chance.shuffle(places)
    found = same_pictures(listed)
    moved = same_pictures({place: listed[n] for n, place in enumerate(places)})
    for n, which in enumerate(pictures):
        assert found[n] == pictures.index(which)
        for other in range(len(pictures)):
            assert (found[n] == found[other]) == (moved[places[n]] == moved[places[other]])


listings = st.lists(
    st.none() | st.tuples(st.integers(0, 4), st.sampled_from([0.1, 0.5, 0.9])), max_size=30
)


@given(listings, st.none() | st.integers(1, 40))
def test_one_of_each_group_is_answered_with_the_others_behind_it(
    pictures: list[tuple[int, float] | None], top_k: int | None
) -> None:
    groups = {n: one[0] for n, one in enumerate(pictures) if one}
    failed = NotAnImageError("file_empty")
    outcomes = {n: one[1] if one else failed for n, one in enumerate(pictures)}
    candidates = [Candidate(auction_id=n, image_url="") for n in range(len(pictures))]
    ask = partial(RankRequest, query_image_url="example:cat", candidates=candidates)
    every, _ = in_order(ask(), outcomes, groups)
    some, failed = in_order(ask(top_k=top_k, group_duplicates=True), outcomes, groups)
    assert len(failed) == pictures.count(None)
    assert all(result.duplicates is None for result in every)
    expected = [
        [r.auction_id for r in every if groups[int(r.auction_id)] == group]
        for group in dict.fromkeys(groups[int(result.auction_id)] for result in every)
    ]
    assert [[r.auction_id, *(r.duplicates or [])] for r in some] == expected[:top_k]
    assert [result.rank for result in some] == list(range(1, len(some) + 1))
    numbers = iter(range(1, len(every) + 1))
    named = {tuple(ids): next(numbers) if len(ids) > 1 else None for ids in expected}
    of = {name: number for ids, number in named.items() for name in ids}
    assert all(result.group == of[result.auction_id] for result in [*every, *some])
    assert [r.score for r in every] == sorted((r.score for r in every), reverse=True)


def print_of(file: bytes) -> bytes:
    image, convert = images.load(read_header(file, max_pixels=10**8))
    return fingerprint(geometry.to_pixels(geometry.fit(image, 768), PREPROCESS, convert))


def on_white(photo: Image.Image) -> Image.Image:
    """As shops show what they sell."""
    canvas = Image.new("RGB", (600, 450), "white")
    small = ImageOps.contain(photo, (210, 210))
    canvas.paste(small, ((600 - small.width) // 2, (450 - small.height) // 2))
    return canvas


PICTURES = {name: ImageOps.contain(picture(name), (600, 600)) for name in PHOTOS}
PICTURES |= {f"{name} on white": on_white(photo) for name, photo in PICTURES.items()}
COLOURFUL = ("astronaut", "cat", "china", "coffee", "flower", "motorcycle", "retina", "rocket")


def recoloured(image: Image.Image) -> Image.Image:
    """The same thing in a near colour: hue by a thirteenth of the circle."""
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda level: (level + 20) % 256), *rest)).convert("RGB")


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    **{f"JPEG {q}": partial(encode, quality=q) for q in (95, 85, 70, 50)},
    "WebP": partial(encode, kind="WEBP", quality=75),
    "AVIF": partial(encode, kind="AVIF", quality=60, speed=10),
    "PNG": partial(encode, kind="PNG"),
    "half the size": lambda image: encode(half(image), quality=85),
}


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [print_of(encode(image, quality=90)) for image in PICTURES.values()]


@pytest.mark.parametrize("how", COPIES)
def test_copies_saved_again_are_one_picture(how: str, originals: list[bytes]) -> None:
    copies = [print_of(COPIES[how](image)) for image in PICTURES.values()]
    found = same_pictures(dict(enumerate(originals + copies)))
    count = len(PICTURES)
    assert found == {n: n % count for n in range(2 * count)}


def test_mirror_images_and_other_colours_are_other_pictures() -> None:
    # A wall or a moon, small and turned, has no sides to tell.
    sided = [image for name, image in PICTURES.items() if name.split()[0] in COLOURFUL]
    different = [*PICTURES.values(), *map(ImageOps.mirror, sided), *map(recoloured, sided)]
    found = same_pictures({n: print_of(encode(one, "BMP")) for n, one in enumerate(different)})
    assert found == {n: n for n in range(len(different))}


def test_plain_pictures_are_one_where_their_colour_is() -> None:
    colours = [(255, 255, 255), (253, 254, 255), (240, 240, 240), (0, 0, 0), (255, 255, 240)]
    sizes = [(600, 450), (100, 300), (32, 32), (600, 600), (600, 450)]
    files = [encode(Image.new("RGB", *one)) for one in zip(sizes, colours, strict=True)]
    prints = {n: print_of(file) for n, file in enumerate(files)}
    assert same_pictures(prints) == {0: 0, 1: 0, 2: 2, 3: 3, 4: 4}


def test_a_long_chain_is_one_group() -> None:
    """Two hundred of a chain, the worst case, in a few steps."""
    places = random.Random(1).sample(range(200), 200)
    listed = {
        place: bytes([255] * (n * MOST_APART // 255) + [n * MOST_APART % 255]).ljust(432, b"\0")
        for n, place in enumerate(places)
    }
    assert set(same_pictures(listed).values()) == {0}
