"""Scores equal open_clip's own; rankings mean something and do not drift."""

import io
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter

from clip_ranker import examples
from clip_ranker.decode import geometry
from clip_ranker.importing import sources
from tests.conftest import ROOT
from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service

GOLDEN = Path(__file__).parent / "golden" / "efficientnet_lite0.json"
MODELS = {
    "tiny": lambda: sources.from_open_clip(str(ROOT / "tests/models/tiny.json"), "random"),
    "openclip_vit_b32_random": lambda: sources.from_open_clip("ViT-B-32", "random"),
}


@pytest.mark.parametrize("model", MODELS)
def test_scores_equal_open_clips_own_cosine(
    serve: Callable[..., Service], images: ImageServer, model: str
) -> None:
    source = MODELS[model]()
    names = sorted(PHOTOS)
    answer = serve(model).ranked(
        query=PHOTOS["cat"],
        candidates=[{"auction_id": name, "image_url": images.photo(name)} for name in names],
    )
    with torch.no_grad():
        encoded = source.encode(torch.stack([source.transform(_fitted(name)) for name in names]))
    expected = encoded @ encoded[names.index("cat")]
    assert len(answer["results"]) == len(names)
    for result in answer["results"]:
        wanted = float(expected[names.index(result["auction_id"])])
        assert result["score"] == pytest.approx(wanted, abs=1e-4), result["auction_id"]


def _fitted(name: str) -> Image.Image:
    """The same first resize; the rest is open_clip's."""
    return geometry.fit(picture(name), 768)


def _crop(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 8, height // 8, width - width // 10, height - height // 12))


def _light(image: Image.Image) -> Image.Image:
    return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(0.7)).enhance(0.8)


def _exif_turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(image.transpose(Image.Transpose.ROTATE_90), exif=exif)


AS_A_PHONE_WOULD = {
    "crop": lambda image: encode(_crop(image)),
    "turn": lambda image: encode(image.rotate(7, Image.Resampling.BICUBIC, fillcolor="grey")),
    "light": lambda image: encode(_light(image)),
    "blur": lambda image: encode(image.filter(ImageFilter.GaussianBlur(2))),
    "jpeg": lambda image: encode(image, quality=20),
    "exif": _exif_turned,
    "larger": lambda image: encode(image.resize((image.width * 3, image.height * 3))),
    "heic": lambda image: encode(_crop(_light(image)), "HEIF", quality=40),
}


@pytest.mark.parametrize("distortion", AS_A_PHONE_WOULD)
def test_a_distorted_photo_finds_its_original_first(
    serve: Callable[..., Service], images: ImageServer, distortion: str
) -> None:
    service = serve("efficientnet_lite0")
    candidates = [{"auction_id": name, "image_url": images.photo(name)} for name in PHOTOS]
    assert len(candidates) >= 12
    for name in PHOTOS:
        photo = AS_A_PHONE_WOULD[distortion](picture(name))
        best = service.ranked(query=photo, candidates=candidates)["results"][0]
        assert best["auction_id"] == name


def test_the_golden_ranking_is_reproduced(serve: Callable[..., Service]) -> None:
    """Any import of the starter, on any machine, must rank the shipped pictures like this."""
    golden: dict[str, dict[str, float]] = json.loads(GOLDEN.read_text())
    service = serve("efficientnet_lite0")
    names = examples.names()
    assert sorted(golden) == names
    for query, scores in golden.items():
        answer = service.ranked(
            query_image_url=f"example:{query}",
            candidates=[{"auction_id": name, "image_url": f"example:{name}"} for name in names],
        )
        found = {result["auction_id"]: result["score"] for result in answer["results"]}
        assert found == pytest.approx(scores, abs=1e-3)
        order = sorted(scores, key=lambda name: -scores[name])
        for before, after in itertools.pairwise(order):
            if scores[before] - scores[after] > 2e-3:  # further apart than two scores may move
                assert found[before] > found[after]


def test_golden_scores_are_cosines() -> None:
    golden = json.loads(GOLDEN.read_text())
    matrix = np.array([[golden[one][other] for other in sorted(golden)] for one in sorted(golden)])
    assert np.allclose(matrix, matrix.T, atol=1e-3)
    assert np.allclose(np.diag(matrix), 1, atol=1e-3)
    assert not math.isclose(matrix.std(), 0)


def test_the_shipped_pictures_are_a_dozen_small_upright_jpegs() -> None:
    names = examples.names()
    assert len(names) == 12
    for name in names:
        data = examples.read(f"example:{name}")
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert 380 <= max(image.size) <= 400
        assert len(data) < 65_000
        assert name in (examples.FOLDER / "SOURCES.md").read_text()
