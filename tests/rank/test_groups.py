"""Which listings show the same picture, and what is answered of them."""

import random
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from clip_ranker.decode import geometry, images
from clip_ranker.decode.fingerprint import (
    DIGEST_BYTES,
    FINGERPRINT_BYTES,
    LUMA_PX,
    SIZE,
    fingerprint,
)
from clip_ranker.decode.header import read_header
from clip_ranker.errors import NotAnImageError
from clip_ranker.rank import groups
from clip_ranker.rank.groups import MOST_APART, MOST_COMPARED, same_pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import in_order
from tests.photos import PHOTOS, encode, picture
from tests.rank import drawn


def print_of(file: bytes) -> bytes:
    image, convert = images.load(read_header(file, max_pixels=10**8))
    return fingerprint(geometry.fit(image, 768), convert)


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def recoloured(image: Image.Image) -> Image.Image:
    """The same thing in a near colour: hue by a thirteenth of the circle."""
    hue, *rest = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda level: (level + 20) % 256), *rest)).convert("RGB")


WHOLE = {name: ImageOps.contain(picture(name), (600, 600)) for name in PHOTOS}
COLOURFUL = ("astronaut", "cat", "china", "coffee", "flower", "motorcycle", "retina", "rocket")
COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    **{f"JPEG {q}": partial(encode, quality=q) for q in (95, 85, 70, 50)},
    "WebP": partial(encode, kind="WEBP", quality=75),
    "AVIF": partial(encode, kind="AVIF", quality=60, speed=10),
    "PNG": partial(encode, kind="PNG", compress_level=1),
    "half the size": lambda image: encode(half(image), quality=85),
}
SAVED = ("PNG", "JPEG 50", "half the size")


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [print_of(encode(image, quality=90)) for image in WHOLE.values()]


MOST_MISSED = {"WebP": 3, "AVIF": 3, "half the size": 2}
"""Of the photographs; a wrong group would be worse."""


@pytest.mark.parametrize("how", COPIES)
def test_photographs_saved_again_are_one_picture(how: str, originals: list[bytes]) -> None:
    copies = [print_of(COPIES[how](image)) for image in WHOLE.values()]
    found = same_pictures(dict(enumerate(originals + copies)))
    count = len(WHOLE)
    assert all(found[n] in (n, n - count) for n in found)
    missed = sum(found[n] == n for n in range(count, 2 * count))
    assert missed <= MOST_MISSED.get(how, 0)


def photographs(side_px: int | None) -> list[Image.Image]:
    """Whole or on white; as they are, mirrored, and in near colours."""
    shown = {n: drawn.on_white(one, side_px) if side_px else one for n, one in WHOLE.items()}
    mirrored = map(ImageOps.mirror, shown.values())
    return [*shown.values(), *mirrored, *(recoloured(shown[name]) for name in COLOURFUL)]


DIFFERENT: dict[str, Callable[[], Iterable[Image.Image]]] = {
    "things of 60 px": lambda: drawn.things(60),
    "things of 100 px": lambda: drawn.things(100),
    "captions": drawn.captions,
    "cards": lambda: drawn.cards(WHOLE["cat"]),
    "wide": lambda: drawn.wide(WHOLE["coffee"]),
    "whole photographs": lambda: photographs(None),
    **{f"photographs of {side} px": partial(photographs, side) for side in (40, 60, 120, 210)},
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_pictures_are_no_group_and_their_same_bytes_are(kind: str) -> None:
    pictures = list(DIFFERENT[kind]())
    prints = {how: [print_of(COPIES[how](one)) for one in pictures] for how in SAVED}
    count = len(pictures)
    for how in SAVED:  # against the original, and against each other
        found = same_pictures(dict(enumerate(prints["PNG"] + prints[how])))
        assert all(found[n] in (n, n - count) for n in range(2 * count)), (how, found)
        twice = same_pictures(dict(enumerate(prints[how] * 2)))
        assert twice == {n: n % count for n in range(2 * count)}


def test_another_figure_in_a_small_caption_is_another_picture_where_all_else_is_the_same() -> None:
    texts = ("Size 36", "Size 38", "Size 39")
    files = [
        encode(drawn.captioned(WHOLE[name], text, side, (300, 300)), quality=85)
        for name in ("coffee", "gravel")
        for side in (36, 20, 14)
        for text in texts
    ]
    assert same_pictures(dict(enumerate(map(print_of, files)))) == {n: n for n in range(len(files))}


def test_plain_and_pale_pictures_have_no_copies_but_the_same_pixels() -> None:
    plain = Image.new("RGB", (600, 450), (253, 254, 255))
    pale = ImageOps.autocontrast(WHOLE["cat"]).point(lambda level: 240 + level // 17)
    for image in (plain, pale):
        files = [encode(image, "PNG"), encode(image, "PNG"), encode(image, "BMP")]
        files += [encode(image, quality=60)]
        found = same_pictures({n: print_of(file) for n, file in enumerate(files)})
        assert [found[n] for n in range(3)] == [0, 0, 0]
    assert found[3] == 3


def test_a_chain_of_copies_is_no_group() -> None:
    """Each is a copy of the one before, and not of the one before that."""
    cells = np.random.default_rng(1).integers(100, 132, FINGERPRINT_BYTES, np.uint8)
    head = DIGEST_BYTES + SIZE.size
    cells[DIGEST_BYTES:head] = np.frombuffer(SIZE.pack(600, 450), np.uint8)
    chain = {}
    for n in range(4):
        cells[:DIGEST_BYTES] = n
        chain[n] = cells.tobytes()
        cells[head : head + LUMA_PX**2] += MOST_APART
    assert same_pictures({0: chain[0], 1: chain[1]}) == {0: 0, 1: 0}
    assert same_pictures({1: chain[1], 2: chain[2]}) == {1: 1, 2: 1}
    assert same_pictures({0: chain[0], 2: chain[2]}) == {0: 0, 2: 2}
    assert same_pictures(chain) == {0: 0, 1: 0, 2: 2, 3: 2}
    assert same_pictures(dict(reversed(chain.items()))) == same_pictures(chain)


@given(st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_places_in_the_list(
    originals: list[bytes], copies: list[bytes], chance: random.Random
) -> None:
    listed = originals + copies
    places = list(range(len(listed)))
    chance.shuffle(places)
    found = same_pictures({place: listed[n] for n, place in enumerate(places)})
    count = len(originals)
    for n, place in enumerate(places):
        assert found[place] == min(place, places[(n + count) % len(listed)])


@pytest.fixture(scope="module")
def copies() -> list[bytes]:
    return [print_of(COPIES["JPEG 70"](image)) for image in WHOLE.values()]


def test_no_picture_is_compared_with_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands that are nearly the same, either."""
    compared = []

    def counted(prints: groups._Prints, rows: np.ndarray, row: int) -> np.ndarray:
        compared.append(len(rows))
        return same(prints, rows, row)

    same = groups._same
    monkeypatch.setattr(groups, "_same", counted)
    one = np.frombuffer(print_of(encode(WHOLE["gravel"])), np.uint8)
    chance = np.random.default_rng(1)
    near = {}
    for n in range(300):
        other = one.copy()
        other[:DIGEST_BYTES] = chance.integers(0, 256, DIGEST_BYTES)
        other[-700:] = chance.integers(0, 256, 700)
        near[n] = other.tobytes()
    assert same_pictures(near) == {n: n for n in near}
    assert len(compared) == 300
    assert max(compared) == MOST_COMPARED
    assert same_pictures({}) == {}


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
