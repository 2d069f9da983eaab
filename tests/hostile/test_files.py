"""Hostile picture files end as a typed failure, before they cost much."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from clip_ranker.decode import av1, images, unfold
from clip_ranker.errors import NotAnImageError, TooLargeError
from tests.hostile import files, heif
from tests.photos import encode

SIZES = [(1, 1), (60, 40), (451, 300)]


@pytest.mark.parametrize("name", files.not_pictures())
def test_what_is_no_picture(name: str) -> None:
    with pytest.raises(NotAnImageError):
        images.decode(files.not_pictures()[name], max_pixels=files.CAP_PX)


@pytest.mark.parametrize("name", files.damaged())
def test_what_is_damaged_on_purpose(name: str) -> None:
    data = files.damaged()[name]
    assert len(data) < 2_000_000
    with pytest.raises(NotAnImageError):
        images.decode(data, max_pixels=files.CAP_PX)


@pytest.mark.parametrize("name", files.too_large())
def test_what_is_too_large(name: str) -> None:
    data = files.too_large()[name]
    assert len(data) < 2_000_000
    with pytest.raises(TooLargeError):
        images.decode(data, max_pixels=files.CAP_PX)


IN_A_CHILD = """
import pathlib, re, sys
from clip_ranker.decode import images
from clip_ranker.errors import CandidateError

def peak():  # ru_maxrss would begin with that of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

before = peak()
for path in sys.argv[1:]:
    try:
        images.decode(open(path, "rb").read(), max_pixels=50_000_000)
    except CandidateError:
        pass
print(peak() - before)
"""


def test_refusing_them_takes_next_to_no_memory(tmp_path: Path) -> None:
    paths = []
    for number, data in enumerate({**files.too_large(), **files.damaged()}.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, *paths], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) * 1024 < 250_000_000  # decoded, the smallest would take 200 MB each


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_a_thousand_frames_cost_one(kind: str) -> None:
    picture = images.decode(files.animation(kind, 1000 if kind == "WEBP" else 50), max_pixels=256)
    red, green, blue = np.asarray(picture).reshape(-1, 3).mean(0)
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize(
    "options", [{}, {"quality": 100, "subsampling": "4:4:4"}, {"codec": "aom"}]
)
def test_the_size_inside_an_honest_avif_file_is_found(
    size: tuple[int, int], mode: str, options: dict[str, object]
) -> None:
    file = encode(Image.effect_noise(size, 50).convert(mode), "AVIF", speed=10, **options)
    assert unfold.unfold(file).largest_px == size[0] * size[1]


def test_the_size_inside_an_animated_avif_file_is_found() -> None:
    assert unfold.unfold(files.animation("AVIF", 3)).largest_px == 256


@pytest.mark.parametrize("size", [(1, 1), (451, 300)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{}, {"tile_size": 128}, {"exif": Image.Exif().tobytes()}])
def test_the_size_inside_an_honest_heic_file_is_found(
    size: tuple[int, int], mode: str, options: dict[str, object]
) -> None:
    file = encode(Image.effect_noise(size, 50).convert(mode), "HEIF", **options)
    found = unfold.unfold(file).largest_px
    assert size[0] * size[1] <= found <= (size[0] + 64) * (size[1] + 64)  # coded in blocks
    assert images.decode(file, max_pixels=found).size == size


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_tiles_are_counted_each(kind: str) -> None:
    tile = heif.coded(kind, (512, 512))
    grid = heif.grid(2, 2, (1000, 900), places=(1, 2, 3, 4))
    file = heif.file([grid, tile, tile, tile, tile], kind)
    found = unfold.unfold(file)
    assert (found.largest_px, found.total_px) == (1000 * 900, 1000 * 900 + 4 * 512 * 512)
    assert images.decode(file, max_pixels=1000 * 900).size == (1000, 900)


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


def test_the_budget_of_streams_is_far_from_what_a_large_picture_takes() -> None:
    stream = memoryview(
        heif.item_of(encode(Image.effect_noise((512, 512), 50), "AVIF"), (1, 1)).data
    )
    budget = av1.Budget()
    for _ in range(2 * files.CAP_PX // 512**2):  # tiles, each with its alpha
        assert av1.pixels(stream, budget) == 512 * 512
    assert budget.units > av1.MOST_UNITS / 2
    assert budget.header_bytes > av1.MOST_HEADER_BYTES / 2


@pytest.mark.parametrize("name", HONEST_HEIC)
def test_what_phones_write_is_a_picture(name: str) -> None:
    file, size = HONEST_HEIC[name]
    assert images.decode(file, max_pixels=files.CAP_PX).size == size


def test_a_film_without_a_picture_is_one_only_as_avif() -> None:
    film = heif.film(heif.coded("AVIF", (64, 64)), kind="AVIF")
    assert images.decode(film, max_pixels=4096).size == (64, 64)
    with pytest.raises(NotAnImageError):
        images.decode(heif.film(SMALL), max_pixels=4096)


def test_the_size_inside_every_track_is_found() -> None:
    large, small = heif.coded("AVIF", (640, 480), (64, 64)), heif.coded("AVIF", (64, 64))
    for film in (heif.film(large, kind="AVIF"), heif.film(large, heif.file([small], "AVIF"))):
        assert unfold.unfold(film).largest_px == 640 * 480


@pytest.mark.parametrize("name", files.hostile_boxes())
def test_boxes_that_nobody_writes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"box|item|picture|crumbs"):
        unfold.unfold(files.hostile_boxes()[name])


def test_a_scan_more_or_less_is_no_bomb() -> None:
    assert images.decode(files.scan_bomb(20), max_pixels=files.CAP_PX).size == (64, 64)


def test_the_smallest_picture_is_one() -> None:
    assert images.decode(encode(Image.new("RGB", (1, 1)), "PNG"), max_pixels=1).size == (1, 1)
