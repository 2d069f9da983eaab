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
from clip_ranker.errors import NotAnImageError
from clip_ranker.models import store
from clip_ranker.models.encoder import Embedding, Encoder
from clip_ranker.rank.groups import SAME_PICTURE_COSINE, same_pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import in_order
from tests.photos import PHOTOS, encode, picture

DIM = 64


def near(vector: Embedding, cosine: float) -> Embedding:
    """A unit vector at that cosine to a unit vector."""
    other = np.roll(vector, 1)
    other = other - (other @ vector) * vector
    sine = (1 - cosine**2) ** 0.5
    return (cosine * vector + sine * other / np.linalg.norm(other)).astype(np.float32)


def unit(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_what_is_above_the_threshold_is_one_group_and_chains_are_too() -> None:
    one = unit(1)
    two = near(one, SAME_PICTURE_COSINE + 1e-4)
    three = near(two, SAME_PICTURE_COSINE + 1e-4)
    assert one @ three < SAME_PICTURE_COSINE
    apart = near(unit(2), SAME_PICTURE_COSINE - 1e-4)
    found = same_pictures({3: three, 1: one, 7: unit(2), 2: two, 9: apart})
    assert found == {1: 1, 2: 1, 3: 1, 7: 7, 9: 9}
    assert same_pictures({}) == {}


@given(st.lists(st.integers(0, 9), max_size=60), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_list(
    pictures: list[int], chance: random.Random
) -> None:
    listed = {n: unit(which) for n, which in enumerate(pictures)}
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


@pytest.fixture(scope="module")
def embed(stored: Callable[[str], str]) -> Callable[[bytes], Embedding]:
    model = store.load(stored("efficientnet_lite0"))
    encoder = Encoder(model.graph, threads=1)

    def embed(file: bytes) -> Embedding:
        image = geometry.fit(images.decode(file, max_pixels=10**8), 768)
        return encoder(geometry.to_pixels(image, model.preprocess)[np.newaxis])[0]

    return embed


def test_copies_saved_again_are_one_picture_and_mirror_images_are_not(
    embed: Callable[[bytes], Embedding],
) -> None:
    photos = [picture(name) for name in PHOTOS]
    for photo in photos:
        photo.thumbnail((600, 600))
    coloured = [photo for photo in photos if len(set(photo.resize((1, 1)).getpixel((0, 0)))) > 1]  # type: ignore[arg-type]
    recoloured = [Image.merge("RGB", photo.split()[::-1]) for photo in coloured]
    different = [*photos, *map(ImageOps.mirror, photos), *recoloured]
    found = same_pictures({n: embed(encode(one, quality=90)) for n, one in enumerate(different)})
    assert found == {n: n for n in range(len(different))}
    again = 0
    for photo in photos:
        pair = (embed(encode(photo, quality=quality)) for quality in (90, 95))
        again += same_pictures(dict(enumerate(pair)))[1] == 0
    assert again >= len(photos) * 2 / 3


def test_a_long_chain_is_one_group() -> None:
    """Two hundred of a chain, the worst case, in a few steps."""
    listed = {0: unit(1)}
    for n in range(1, 200):
        listed[n] = near(listed[n - 1], SAME_PICTURE_COSINE + 1e-4)
    assert set(same_pictures(listed).values()) == {0}
