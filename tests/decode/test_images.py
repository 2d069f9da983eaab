import io

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_ranker.decode import images
from clip_ranker.errors import NotAnImageError, TooLargeError
from tests.photos import encode, picture

MAX_PIXELS = 50_000_000
ORIENTED = {  # EXIF orientation: what was done to the upright picture before it was stored
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


def decode(data: bytes) -> np.ndarray:
    image = images.decode(data, max_pixels=MAX_PIXELS)
    assert image.mode == "RGB"
    return np.asarray(image, np.int16)


def near(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of grey levels."""
    return float(np.abs(one.astype(np.int16) - np.asarray(other, np.int16)).mean())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 4),
        ("JPEG", {"quality": 90}, 3),
        ("JPEG", {"quality": 90, "progressive": True}, 3),
        ("AVIF", {"quality": 90}, 4),
        ("HEIF", {"quality": 90}, 4),
    ],
)
def test_every_format_decodes_to_the_picture(
    kind: str, options: dict[str, object], tolerance: float
) -> None:
    cat = picture("cat")
    assert near(decode(encode(cat, kind, **options)), np.asarray(cat)) <= tolerance


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    cat = picture("cat").resize((90, 60))
    turned = cat
    for transpose in ORIENTED[orientation]:
        turned = turned.transpose(transpose)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encode(turned, kind, exif=exif, quality=95))
    assert found.shape == (60, 90, 3)
    assert near(found, np.asarray(cat)) < 6


def test_heic_turned_by_the_phone_comes_out_upright() -> None:
    cat = picture("cat").resize((96, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = pillow_heif.from_pillow(cat.transpose(Image.Transpose.ROTATE_90))
    buffer = io.BytesIO()
    file.save(buffer, exif=exif.tobytes(), quality=95)
    found = decode(buffer.getvalue())
    assert found.shape == (64, 96, 3)
    assert near(found, np.asarray(cat)) < 6


def test_a_corrupt_exif_block_does_not_lose_the_picture() -> None:
    cat = picture("cat")
    found = decode(encode(cat, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"))
    assert near(found, np.asarray(cat)) < 5


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_composed_onto_white(kind: str) -> None:
    rgba = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    rgba.putpixel((1, 1), (255, 0, 0, 255))
    rgba.putpixel((2, 2), (0, 0, 0, 128))
    found = decode(encode(rgba, kind, lossless=True))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[1, 1].tolist() == [255, 0, 0]
    assert found[2, 2].tolist() == [127, 127, 127]


def test_palette_and_grey_transparency_is_composed_onto_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 200, 10, 10])
    palette.putdata([0, 1])
    assert decode(encode(palette, "PNG", transparency=0)).tolist() == [
        [[255, 255, 255], [200, 10, 10]]
    ]
    grey = Image.new("LA", (2, 1), (90, 255))
    grey.putpixel((0, 0), (90, 0))
    assert decode(encode(grey, "PNG")).tolist() == [[[255, 255, 255], [90, 90, 90]]]


def test_sixteen_bits_keep_the_high_byte() -> None:
    ramp = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    found = decode(encode(Image.fromarray(ramp), "PNG"))
    assert (found == np.arange(256).reshape(16, 16, 1)).all()


def test_other_modes_become_rgb() -> None:
    cat = picture("cat")
    assert near(decode(encode(cat.convert("CMYK"))), np.asarray(cat)) < 6
    grey = cat.convert("L")
    assert near(decode(encode(grey, "PNG")), np.asarray(grey.convert("RGB"))) == 0
    assert (
        near(decode(encode(cat.convert("1"), "PNG")), np.asarray(cat.convert("1").convert("RGB")))
        == 0
    )
    assert near(decode(encode(cat.quantize(256), "PNG")), np.asarray(cat)) < 8


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    file = encode(red, kind, save_all=True, append_images=[blue], duration=50, lossless=True)
    assert near(decode(file), np.asarray(red)) < 2


@pytest.mark.parametrize("tenths", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_a_file_cut_short_is_no_image(kind: str, tenths: int) -> None:
    whole = encode(picture("cat"), kind)
    with pytest.raises(NotAnImageError):
        decode(whole[: len(whole) * tenths // 10])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (encode(Image.new("RGB", (4, 4)), "TIFF"), "TIFF"),
        (b"\x00" * 100, "something else"),
        (b"\xff", "something else"),
        (bytes(range(32, 256)) * 9, "something else"),
    ],
)
def test_what_is_no_image_says_what_it_is(data: bytes, says: str) -> None:
    with pytest.raises(NotAnImageError, match=says):
        decode(data)


def test_size_is_checked_before_a_pixel_is_decoded() -> None:
    small = encode(Image.new("RGB", (100, 100)), "PNG")
    with pytest.raises(TooLargeError, match="100x100"):
        images.decode(small[:60], max_pixels=9_999)  # the data is missing: decoding would fail
    assert images.decode(small, max_pixels=10_000).size == (100, 100)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": Image.Exif().tobytes()}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_of_a_webp_file_is_checked_before_it_is_opened(
    mode: str, options: dict[str, object]
) -> None:
    start = encode(Image.effect_noise((300, 200), 50).convert(mode), "WEBP", **options)[:30]
    with pytest.raises(TooLargeError, match="300x200"):
        images.decode(start, max_pixels=59_999)
    with pytest.raises(NotAnImageError):
        images.decode(start, max_pixels=60_000)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_files_fail_in_the_documented_way_or_decode(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP"]))
    file = bytearray(encode(picture("cat").resize((60, 40)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = images.decode(bytes(file), max_pixels=10**6)
    except (NotAnImageError, TooLargeError):
        return
    assert image.mode == "RGB"
