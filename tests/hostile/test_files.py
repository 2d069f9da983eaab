"""Hostile picture files end as a typed failure, within the limits of a decoding process."""

import asyncio
import io
import re
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pillow_heif
import psutil
import pytest
from PIL import Image

from clip_ranker.decode import images, worker
from clip_ranker.decode.pool import Decoder
from clip_ranker.errors import CandidateError, NotAnImageError, TooLargeError
from clip_ranker.models.preprocess import Pixels, Preprocess
from tests.decode.workers import workers
from tests.hostile import files, heif
from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode
from tests.running import Service

CLIP = Preprocess(224, 224, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(processes=1, max_pixels=files.CAP_PX)
    yield decoder
    asyncio.run(decoder.close())


def decode(decoder: Decoder, data: bytes, image_resize_px: int = 768) -> Pixels:
    decoded = asyncio.run(decoder(data, CLIP, image_resize_px))
    if decoded is None:  # it is large
        decoded = asyncio.run(decoder(data, CLIP, image_resize_px, large=True))
    assert decoded is not None
    return decoded.pixels


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


@pytest.mark.parametrize("name", files.crumbled())
def test_a_file_of_very_many_parts_is_refused_for_that(decoder: Decoder, name: str) -> None:
    # A packed BMP may have many: on a slow machine its time is over first.
    says = "so many parts|takes too long" if name.startswith("BMP") else "so many parts"
    with pytest.raises(NotAnImageError, match=says):
        decode(decoder, files.crumbled()[name])


@pytest.mark.parametrize("name", [name for name in files.odd() if "1,200,000" in name])
def test_parts_that_are_not_read_one_by_one_take_no_time(decoder: Decoder, name: str) -> None:
    decode(decoder, PHOTOS["cat"])
    before = workers()
    assert decode(decoder, files.odd()[name]).shape == (224, 224, 3)
    assert workers() == before  # by its limit of time the process would have ended


@pytest.mark.parametrize("size", [(1, 65_535), (65_535, 1), (65_535, 700), (700, 65_535)])
@pytest.mark.parametrize("resize", [224, 2048])
@pytest.mark.skipif(sys.platform != "linux", reason="no limit of memory elsewhere")
def test_the_longest_pictures_are_resized_within_the_limits(
    size: tuple[int, int], resize: int
) -> None:
    others = workers()
    decoder = Decoder(processes=1, max_pixels=files.CAP_PX)
    try:
        data = files.flat_png(*size)
        assert decode(decoder, data, resize).shape == (224, 224, 3)
        (process,) = set(workers()) - set(others)
        assert peak_bytes(process) < worker.BASE_BYTES + 6 * size[0] * size[1]
    finally:
        asyncio.run(decoder.close())


def peak_bytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


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
    hostile = (files.too_large(), files.damaged(), files.crumbled(), files.odd())
    for name, data in ChainMap(*hostile).items():
        with suppress(CandidateError):
            decode(decoder, data)
        for process in workers():
            with suppress(FileNotFoundError, TypeError):  # it has ended
                assert peak_bytes(process) < most, name


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


@pytest.mark.parametrize("name", ["endless", "long"])
def test_health_is_answered_while_four_hostile_files_are_worked_on(
    serve: Callable[..., Service], images: ImageServer, name: str
) -> None:
    service = serve()
    file = files.endless_heic() if name == "endless" else files.flat_png(700, 65_535)
    urls = [images.put(f"/{name}/{number}", file + bytes(number)) for number in range(4)]
    answered = 0
    with ThreadPoolExecutor() as pool:
        ranking = pool.submit(service.ranked, query=PHOTOS["cat"], candidates=urls)
        while not ranking.done():
            assert service.client.get("/healthz").text == "ok"
            answered += not ranking.done()
    done = ranking.result()["meta"]
    assert done["failed" if name == "endless" else "succeeded"] == 4
    assert answered > 0


def test_the_photo_has_the_limit_of_a_download(service: Service) -> None:
    response = service.rank(query=PHOTOS["cat"].ljust(10_000_001, b"\0"), candidates=[])
    assert response.status_code == httpx.codes.BAD_REQUEST
    (fault,) = response.json()["detail"]
    assert (fault["field"], fault["reason"]) == ("query_image_base64", "too_large")
    assert "10000001 bytes, the limit is 10000000" in response.json()["error"]
    assert service.rank(query=PHOTOS["cat"].ljust(10_000_000, b"\0"), candidates=[]).is_success
