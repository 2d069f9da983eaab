import itertools

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_ranker.decode import geometry
from clip_ranker.models.preprocess import Preprocess
from tests.photos import PHOTOS, picture

CLIP = Preprocess(224, 224, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(224, 2048))
@settings(max_examples=30, deadline=None)
def test_fit_shrinks_to_the_longest_side_and_never_enlarges(
    width: int, height: int, longest: int
) -> None:
    fitted = geometry.fit(Image.new("RGB", (width, height)), longest)
    if max(width, height) <= longest:
        assert fitted.size == (width, height)
    else:
        assert max(fitted.size) == longest
        scale = longest / max(width, height)
        assert abs(fitted.width - width * scale) <= 1
        assert abs(fitted.height - height * scale) <= 1


MODES = list(itertools.product(["shortest", "longest", "squash"], ["bicubic", "bilinear"]))
SIDES = st.integers(40, 900)


@given(
    st.sampled_from(sorted(PHOTOS)),
    st.sampled_from(MODES),
    st.sampled_from([(64, 64), (224, 224), (96, 128)]),
    SIDES,
    SIDES,
)
@settings(max_examples=60, deadline=None)
def test_pixels_equal_those_of_open_clips_transform(
    name: str, mode: tuple[str, str], size: tuple[int, int], width: int, height: int
) -> None:
    resize_mode, interpolation = mode
    if resize_mode == "shortest" and size[0] != size[1]:
        interpolation = "bicubic"  # open_clip knows no other there
    image = picture(name).resize((width, height))
    if max(width, height) > geometry.ELONGATED * min(width, height):
        return
    ours = geometry.to_pixels(
        image,
        Preprocess(
            *size,
            (0.5,) * 3,
            (0.5,) * 3,
            interpolation=interpolation,
            resize_mode=resize_mode,
            fill=7,
        ),
    )
    theirs = open_clip.image_transform(
        size if size[0] != size[1] else size[0],
        is_train=False,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        resize_mode=resize_mode,
        interpolation=interpolation,
        fill_color=7,
    )(image)
    assert (ours == np.round(theirs.numpy().transpose(1, 2, 0) * 255)).all()


@pytest.mark.parametrize("size", [(2048, 1), (1, 2048), (700, 20), (20, 700)])
def test_elongated_pictures_take_the_short_way_to_nearly_the_same_pixels(
    size: tuple[int, int],
) -> None:
    image = picture("china").resize(size)
    ours = geometry.to_pixels(image, CLIP)
    assert ours.shape == (224, 224, 3)
    if min(size) == 20:
        theirs = open_clip.image_transform(224, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)(
            image
        )
        inner = slice(24, -24)  # the filter reaches two source pixels past the crop
        expected = theirs.numpy().transpose(1, 2, 0) * 255
        assert np.abs(ours[inner, inner] - np.round(expected[inner, inner])).mean() < 1
