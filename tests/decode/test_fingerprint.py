"""The print of a picture, as the decoder's process makes it."""

import asyncio

import numpy as np
from PIL import Image, ImageOps

from clip_ranker.decode import images
from clip_ranker.decode.fingerprint import DIGEST_BYTES, SIZE, fingerprint
from clip_ranker.decode.geometry import fit
from clip_ranker.decode.pool import Decoded, Decoder
from clip_ranker.models.preprocess import Preprocess
from tests.decode import profiles
from tests.photos import encode, picture
from tests.rank import drawn

CLIP = Preprocess(224, 224, (0.5,) * 3, (0.25,) * 3)


def decoded(*files: bytes) -> list[Decoded]:
    async def scenario() -> list[Decoded | None]:
        decoder = Decoder(processes=1, max_pixels=10**7)
        try:
            return [await decoder(file, CLIP, 768) for file in files]
        finally:
            await decoder.close()

    return [one for one in asyncio.run(scenario()) if one is not None]


def cells(print_: bytes) -> np.ndarray:
    return np.frombuffer(print_, np.uint8, offset=DIGEST_BYTES + SIZE.size).astype(int)


def test_it_is_of_the_whole_picture_though_the_model_sees_its_middle() -> None:
    files = [encode(one, "PNG") for one in drawn.wide(picture("coffee"))]
    found = decoded(*files)
    assert len({one.pixels.tobytes() for one in found}) == 1
    assert len({one.fingerprint for one in found}) == len(files)
    here = fit(images.decode(files[0], max_pixels=10**7), 768)
    assert found[0].fingerprint == fingerprint(here)


def test_it_is_in_the_colours_of_the_profile() -> None:
    cat, swapped = ImageOps.contain(picture("cat"), (600, 600)), profiles.SRGB[:, ::-1]
    stored = Image.fromarray(profiles.stored(np.asarray(cat), swapped, 2.2).astype(np.uint8))
    file = encode(stored, "PNG", icc_profile=profiles.rgb(swapped, 2.2))
    with_profile, without = (one.fingerprint for one in decoded(file, encode(stored, "PNG")))
    assert with_profile != without
    assert np.abs(cells(with_profile) - cells(fingerprint(cat))).max() <= 4
    assert np.abs(cells(without) - cells(fingerprint(cat))).max() > 20
