"""Hostile picture files end as a typed failure, within the limits of a decoding process."""

import asyncio
import io
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from clip_ranker.decode import images, worker
from clip_ranker.decode.pool import Decoder
from clip_ranker.errors import CandidateError, NotAnImageError, TooLargeError
from clip_ranker.models.preprocess import Pixels, Preprocess
from tests.decode.workers import workers
from tests.hostile import files, heif
from tests.photos import encode

CLIP = Preprocess(224, 224, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(CLIP, processes=1, max_pixels=files.CAP_PX)
    yield decoder
    asyncio.run(decoder.close())


def decode(decoder: Decoder, data: bytes) -> Pixels:
    return asyncio.run(decoder(data, 768))


@pytest.mark.parametrize("name", files.not_pictures())
def test_what_is_no_picture(decoder: Decoder, name: str) -> None:
    with pytest.raises(NotAnImageError):
        decode(decoder, files.not_pictures()[name])


@pytest.mark.parametrize("name", files.damaged())
def test_what_is_damaged_on_purpose(decoder: Decoder, name: str) -> None:
    data = files.damaged()[name]
    assert len(data) < 2_000_000
    with pytest.raises(NotAnImageError):
        decode(decoder, data)


@pytest.mark.parametrize("name", files.too_large())
def test_what_is_too_large(decoder: Decoder, name: str) -> None:
    data = files.too_large()[name]
    assert len(data) < 2_000_000
    with pytest.raises(TooLargeError, match="pixels"):
        decode(decoder, data)


@pytest.mark.parametrize("name", files.odd())
def test_what_nobody_writes_is_a_picture_or_fails(decoder: Decoder, name: str) -> None:
    try:
        pixels = decode(decoder, files.odd()[name])
    except CandidateError:
        return
    assert pixels.shape == (224, 224, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of memory elsewhere")
def test_none_of_them_takes_more_memory_than_a_process_has(decoder: Decoder) -> None:
    most = worker.BASE_BYTES + worker.BYTES_PER_PIXEL * files.CAP_PX // worker.LARGE_PART
    for name, data in {**files.too_large(), **files.damaged(), **files.odd()}.items():
        with suppress(CandidateError):
            decode(decoder, data)
        for process in workers():
            with suppress(FileNotFoundError, TypeError):  # it has ended
                status = Path(f"/proc/{process.pid}/status").read_text()
                assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 < most, name


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_a_thousand_frames_cost_one(kind: str) -> None:
    picture = images.decode(files.animation(kind, 1000 if kind == "WEBP" else 50), max_pixels=256)
    red, green, blue = np.asarray(picture).reshape(-1, 3).mean(0)
    assert red > 240
    assert max(green, blue) < 15


TILE = heif.coded("HEIF", (512, 512))


def phone_photo(rows: int, columns: int, size: tuple[int, int], *more: heif.Item) -> bytes:
    """A grid of tiles of 512x512, cut at the right and at the bottom."""
    places = tuple(range(1, rows * columns + 1))
    grid = heif.grid(rows, columns, size, places=places)
    return heif.file([grid, *[TILE] * len(places), *more])


def ten_bits() -> bytes:
    buffer = io.BytesIO()
    grey = np.full((48, 64, 3), 30_000, np.uint16)
    pillow_heif.from_bytes("RGB;16", (64, 48), grey.tobytes()).save(buffer)
    assert pillow_heif.open_heif(buffer).info["bit_depth"] == 10
    return buffer.getvalue()


SMALL = heif.coded("HEIF", (64, 64))
HONEST_HEIC = {
    "10 bits": (ten_bits(), (64, 48)),
    "12 megapixels": (phone_photo(6, 8, (4032, 3024)), (4032, 3024)),
    "48 megapixels": (phone_photo(12, 16, (8064, 6048)), (8064, 6048)),
    "a depth map": (
        phone_photo(2, 2, (800, 600), heif.belongs_to(0, SMALL, "urn:mpeg:hevc:2015:auxid:2")),
        (800, 600),
    ),
    "a gain map of tiles": (
        phone_photo(
            *(2, 2, (800, 600)),
            heif.belongs_to(
                0,
                heif.grid(1, 2, (600, 450), places=(1, 2)),
                "urn:com:apple:photo:2020:aux:hdrgainmap",
            ),
        ),
        (800, 600),
    ),
    "a gain map for brighter screens": (
        phone_photo(2, 2, (800, 600), heif.tone_map(0, 6, (800, 600)), SMALL),
        (800, 600),
    ),
    "a film": (heif.film(heif.coded("HEIF", (640, 480)), heif.file([SMALL])), (64, 64)),
    "a film, by its brands": (
        heif.film(SMALL, heif.file([SMALL]).replace(b"mif1heic", b"msf1hevc")),
        (64, 64),
    ),
    "a film of many tables": (
        heif.film(SMALL, heif.file([SMALL]), tables=[heif.offset_table(0)] * 2),
        (64, 64),
    ),
}


@pytest.mark.parametrize("name", HONEST_HEIC)
def test_what_phones_write_is_a_picture(name: str) -> None:
    file, size = HONEST_HEIC[name]
    assert images.decode(file, max_pixels=files.CAP_PX).size == size


def test_a_film_without_a_picture_is_one_only_as_avif() -> None:
    film = heif.film(heif.coded("AVIF", (64, 64)), kind="AVIF")
    assert images.decode(film, max_pixels=4096).size == (64, 64)
    with pytest.raises(NotAnImageError):
        images.decode(heif.film(SMALL), max_pixels=4096)


def test_a_scan_more_or_less_is_no_bomb() -> None:
    assert images.decode(files.scan_bomb(20), max_pixels=files.CAP_PX).size == (64, 64)


def test_the_smallest_picture_is_one() -> None:
    assert images.decode(encode(Image.new("RGB", (1, 1)), "PNG"), max_pixels=1).size == (1, 1)
