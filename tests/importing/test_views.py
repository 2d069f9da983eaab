"""Three views of each picture as an option of the import, against what they stand for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import InterpolationMode, normalize, resize

from clip_ranker.decode import geometry
from clip_ranker.importing import command, parity, sources, views
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Preprocess
from tests.conftest import ROOT

TINY = str(ROOT / "tests/models/tiny.json")
WINDOWS = (slice(0, 92), slice(6, 86), slice(17, 75))
"""The whole, .875 and .62 of 92 pixels, which is 64 over .7."""


@pytest.fixture(scope="module")
def tiny() -> sources.Source:
    return sources.from_open_clip(TINY, "random")


def test_the_stored_graph_sums_three_views_that_open_clip_embeds(
    stored: Callable[[str], str], tiny: sources.Source
) -> None:
    model = store.load(stored("tiny_views"))
    encoder, mean, std = Encoder(model.graph), model.preprocess.mean, model.preprocess.std
    for picture in list(parity.photographs())[:5]:
        pixels = geometry.to_pixels(picture, model.preprocess)
        whole = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        cut = [whole[:, window, window] for window in WINDOWS]
        seen = [resize(one, [64, 64], InterpolationMode.BILINEAR, antialias=False) for one in cut]
        with torch.no_grad():
            each = tiny.encode(torch.stack([normalize(one, mean, std) for one in seen])).numpy()
        wanted = each.sum(axis=0)
        assert parity.cosine(encoder(pixels[None])[0], wanted) > 0.99999
        assert (each @ wanted / np.linalg.norm(wanted) < 0.9999).all()  # else they say nothing


def test_one_picture_s_vector_is_its_own_in_a_batch(stored: Callable[[str], str]) -> None:
    encoder = Encoder(store.load(stored("tiny_views")).graph)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 92, 92, 3), np.uint8)
    one_by_one = np.concatenate([encoder(pixels[n : n + 1]) for n in range(5)])
    assert np.allclose(encoder(pixels), one_by_one, atol=1e-6)


def test_what_is_stored_tells_three_views_from_one(
    stored: Callable[[str], str], tiny: sources.Source
) -> None:
    one, three = (store.load(stored(name)) for name in ("tiny", "tiny_views"))
    assert three.digest == f"{one.digest}-views"
    assert three.source == f"{one.source}, three views"
    assert three.preprocess == Preprocess(
        92, 92, one.preprocess.mean, one.preprocess.std, resize_mode="longest", fill=115
    )
    for name, source in (("tiny", tiny), ("tiny_views", views.of(tiny))):
        made = source.description, source.digest(), source.preprocess
        assert [bool(store.find(other, *made)) for other in ("tiny", "tiny_views")] == [
            other == name for other in ("tiny", "tiny_views")
        ]


@pytest.mark.parametrize(
    ("size", "part", "rows", "columns"),
    [
        ((320, 320), 1, (0, 320), (0, 320)),
        ((320, 320), 0.875, (20, 300), (20, 300)),
        ((320, 320), 0.62, (61, 259), (61, 259)),
        ((92, 184), 0.875, (6, 86), (12, 172)),
    ],
)
def test_a_cut_is_the_middle(
    size: tuple[int, int], part: float, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    picture = torch.rand(1, 3, *size)
    wanted = picture[..., slice(*rows), slice(*columns)]
    same = tuple(wanted.shape[-2:])
    assert torch.equal(views.cut(picture, part, same), wanted)
    assert views.cut(picture, part, (16, 32)).shape == (1, 3, 16, 32)


@pytest.mark.parametrize(("side", "whole"), [(224, 320), (256, 366), (384, 548)])
def test_the_padded_picture_is_as_fine_as_a_view(side: int, whole: int) -> None:
    grown = views.padded(Preprocess(side, side, (0.5,) * 3, (0.5,) * 3, resize_mode="squash"))
    assert (grown.height, grown.width, grown.fill) == (whole, whole, 128)
    assert grown.resize_mode == "longest"


def test_the_starter_has_its_views_already(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--starter", "--views"]) == 1
    assert "--views: this model has three views without it" in capsys.readouterr().err
