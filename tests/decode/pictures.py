"""Files as hosts and phones write them, and what each should look like."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import pillow_heif
from PIL import Image

from tests.decode import profiles
from tests.hostile.files import png_chunk
from tests.photos import encode, picture

PIXELS = np.asarray(picture("cat").resize((150, 100)))
CAT = Image.fromarray(PIXELS)  # without the profile of its file
GREY = np.asarray(CAT.convert("L"))
EXIF_6 = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
XMP_6 = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


class Case(NamedTuple):
    """A file, its pixels and by how many grey levels they may differ on average."""

    file: Callable[[], bytes]
    pixels: np.ndarray
    within: float


def image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


def png(
    pixels: np.ndarray, *chunks: bytes, colour: int = 2, depth: int = 8, interlaced: bool = False
) -> bytes:
    """A PNG file of these samples, with more chunks behind its header."""
    height, width = pixels.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
        passes += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    samples = pixels.astype(">u2" if depth == 16 else "u1")
    rows = [
        b"\0" + row.tobytes()
        for left, top, step_x, step_y in passes
        for row in samples[top::step_y, left::step_x]
    ]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [png_chunk(b"IHDR", head), *chunks, png_chunk(b"IDAT", zlib.compress(b"".join(rows)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def gama(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def chrm(*points: int) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *points))


def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"a\0\0" + zlib.compress(profile))


ADOBE_POINTS = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def broken(chunk: bytes) -> bytes:
    """With a wrong checksum."""
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


def spoilt_text(file: bytes) -> bytes:
    text = png_chunk(b"tEXt", b"Comment\0" + b"x" * 50)
    return file[:33] + broken(text) + file[33:]


def cut(file: bytes, part: float) -> bytes:
    return file[: int(len(file) * part)]


def moving_png() -> bytes:
    """A still that is no frame, and a first frame that covers a part of the canvas."""
    still = png(np.zeros((100, 150, 3)), png_chunk(b"acTL", struct.pack(">II", 1, 0)))
    small = png(PIXELS[:40, :60])
    at = small.index(b"IDAT")
    data = small[at + 4 : at + 4 + int.from_bytes(small[at - 4 : at])]
    control = struct.pack(">IIIIIHHBB", 0, 60, 40, 20, 10, 1, 10, 0, 0)
    frame = png_chunk(b"fcTL", control) + png_chunk(b"fdAT", b"\0\0\0\1" + data)
    return still[:-12] + frame + still[-12:]


def moving_webp(*, alpha: bool) -> bytes:
    """Of one frame that covers a part of the canvas."""
    still = encode(image(PIXELS[:40, :60]), "WEBP", lossless=True)[12:]
    place = b"".join(number.to_bytes(3, "little") for number in (10, 5, 59, 39, 100))
    frame = place + b"\0" + still
    size = (149).to_bytes(3, "little") + (99).to_bytes(3, "little")
    chunks = [
        (b"VP8X", bytes([0x12 if alpha else 0x02, 0, 0, 0]) + size),
        (b"ANIM", b"\0\0\xff\xff\0\0"),
        (b"ANMF", frame),
    ]
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def on_white(part: np.ndarray, left: int, top: int) -> np.ndarray:
    canvas = np.full((100, 150, 3), 255)
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    return canvas


def gif_at(left: int, top: int, small: Image.Image, **options: object) -> bytes:
    """A GIF file of 150x100 whose first frame is this."""
    file = bytearray(encode(small, "GIF", **options))
    file[6:10] = struct.pack("<HH", 150, 100)
    at = file.index(b"\x2c\0\0\0\0" + struct.pack("<HH", *small.size))
    file[at + 1 : at + 5] = struct.pack("<HH", left, top)
    return bytes(file)


PALETTE = CAT.quantize(200)
SEEN = np.asarray(PALETTE.convert("RGB"))
SMALL = CAT.crop((0, 0, 60, 40)).quantize(64)
SMALL_SEEN = np.asarray(SMALL.convert("RGB"))


def bmp(rows: list[bytes], bits: int, *, top_down: bool = False, packing: int = 0) -> bytes:
    """A BMP file of 150x100; up to 8 bits with a palette of greys."""
    width, height = CAT.size
    colours = 1 << bits if bits <= 8 else 0
    greys = b"".join(bytes([at * 255 // (colours - 1)] * 3) + b"\0" for at in range(colours))
    data = b"".join(rows if top_down else rows[::-1])
    info = struct.pack(
        "<IiiHHIIiiII",
        *(40, width, -height if top_down else height, 1, bits, packing),
        *(len(data), 2835, 2835, colours, 0),
    )
    start = 14 + len(info) + len(greys)
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + info + greys + data


def whole(row: bytes) -> bytes:
    """Filled up to four bytes."""
    return row + bytes(-len(row) % 4)


def bits_of(depth: int) -> tuple[list[bytes], np.ndarray]:
    """Rows of grey, and how they look."""
    values = GREY >> (8 - depth)
    bits = np.unpackbits(values[..., None], axis=2)[..., 8 - depth :].reshape(100, -1)
    seen = values.astype(int) * 255 // ((1 << depth) - 1)
    return [whole(np.packbits(row).tobytes()) for row in bits], np.repeat(seen[..., None], 3, 2)


def high_colour() -> list[bytes]:
    red, green, blue = (PIXELS[..., at].astype(np.uint16) >> 3 for at in range(3))
    return [whole(row.tobytes()) for row in (red << 10 | green << 5 | blue).astype("<u2")]


def run_lengths() -> list[bytes]:
    rows = [b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in GREY]
    return [rows[0] + b"\0\1", *rows[1:]]  # the first row is the last one stored


def heif(profile: bytes) -> bytes:
    buffer = io.BytesIO()
    stored = image(profiles.stored(PIXELS, profiles.ADOBE, 2.2))
    pillow_heif.from_pillow(stored).save(buffer, quality=95, icc_profile=profile)
    return buffer.getvalue()


def spaces() -> dict[str, Case]:
    """Files with colours that are not sRGB."""
    cases = {}
    kinds = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}
    kinds["AVIF"] = {"quality": 95}
    for name, matrix, gamma in (
        ("Adobe RGB", profiles.ADOBE, 2.2),
        ("ProPhoto", profiles.PROPHOTO, 1.8),
        ("P3 of a power", profiles.P3, 2.2),
        ("swapped red and blue", profiles.SRGB[:, ::-1], 2.2),
        ("turned channels", profiles.SRGB[:, [1, 2, 0]], 2.2),
        ("linear", profiles.SRGB, 1.0),
    ):
        other = image(profiles.stored(PIXELS, matrix, gamma))
        profile = profiles.rgb(matrix, gamma)
        within = 4 if gamma == 1 else 2.5  # eight bits of light leave few dark greys
        for kind, options in kinds.items():
            file = partial(encode, other, kind, icc_profile=profile, **options)
            cases[f"{kind} in {name}"] = Case(file, PIXELS, within)
        deep = profiles.stored(PIXELS, matrix, gamma, 65535)
        file = partial(png, deep, iccp(profile), depth=16)
        cases[f"PNG of 16 bits in {name}"] = Case(file, PIXELS, within)
    adobe = profiles.rgb(profiles.ADOBE, 2.2)
    cases["HEIC in Adobe RGB"] = Case(lambda: heif(adobe), PIXELS, 3)
    other = profiles.linear(PIXELS) @ profiles.SRGB.T @ np.linalg.inv(profiles.P3).T
    wide = profiles.levels(other).round()
    coded = encode(image(wide), "AVIF", quality=95)
    codes = b"colrnclx\0\1\0\x0d"
    assert codes in coded
    coded = coded.replace(codes, b"colrnclx\0\x0c\0\x0d")
    cases["AVIF of P3 by its codes"] = Case(lambda: coded, PIXELS, 2.5)
    cases["HEIC of P3 by its codes"] = Case(
        lambda: encode(image(wide), "HEIF", quality=95, color_primaries=12), PIXELS, 2.5
    )
    other = image(profiles.stored(PIXELS, profiles.ADOBE, 2.2))
    few = other.quantize(200)
    cases["PNG of a palette in Adobe RGB"] = Case(
        lambda: encode(few, "PNG", icc_profile=adobe), PIXELS, 8
    )
    for gamma in (1.0, 1.8, 2.2):
        seen = np.repeat(profiles.levels((GREY / 255) ** gamma)[..., None], 3, 2)
        for kind in ("JPEG", "PNG"):
            file = partial(encode, image(GREY), kind, quality=95, icc_profile=profiles.grey(gamma))
            cases[f"{kind} of greys of gamma {gamma}"] = Case(file, seen, 2)
        deep = GREY.astype(int) * 257
        file = partial(png, deep, iccp(profiles.grey(gamma)), colour=0, depth=16)
        cases[f"PNG of 16 bits of greys of gamma {gamma}"] = Case(file, seen, 1)
    inks = np.dstack([255 - PIXELS[..., ::-1], np.zeros_like(GREY)])
    cases["JPEG in CMYK of other inks"] = Case(
        lambda: encode(
            Image.fromarray(inks, "CMYK"), icc_profile=profiles.cmyk_of_other_inks(), quality=95
        ),
        PIXELS,
        4,
    )
    return cases


def numbers() -> dict[str, Case]:
    """PNG files that say their colours without a profile."""
    other = profiles.stored(PIXELS, profiles.ADOBE, 2.2)
    light = profiles.stored(PIXELS, profiles.SRGB, 1)
    p3 = profiles.levels(
        profiles.linear(PIXELS) @ profiles.SRGB.T @ np.linalg.inv(profiles.P3).T
    ).round()
    table = np.asarray(image(light).quantize(200).convert("RGB"))
    seen = profiles.levels(table / 255)
    few = image(light).quantize(200)
    return {
        "gAMA of light": Case(lambda: png(light, gama(100_000)), PIXELS, 4),
        "gAMA of light, interlaced": Case(
            lambda: png(light, gama(100_000), interlaced=True), PIXELS, 4
        ),
        "gAMA of light, a palette": Case(
            lambda: (file := encode(few, "PNG"))[:33] + gama(100_000) + file[33:], seen, 1
        ),
        "gAMA of a Macintosh": Case(
            lambda: png(profiles.stored(PIXELS, profiles.SRGB, 1.8), gama(55_556)), PIXELS, 2
        ),
        "gAMA and cHRM": Case(lambda: png(other, gama(45_455), chrm(*ADOBE_POINTS)), PIXELS, 4),
        "gAMA and cHRM of sRGB": Case(
            lambda: png(PIXELS, gama(45_455), chrm(*SRGB_POINTS)), PIXELS, 0
        ),
        "cHRM alone": Case(lambda: png(PIXELS, chrm(*ADOBE_POINTS)), PIXELS, 0),
        "cHRM of nothing": Case(lambda: png(PIXELS, gama(45_455), chrm(*[0] * 8)), PIXELS, 0),
        "gAMA near sRGB's": Case(lambda: png(PIXELS, gama(45_455)), PIXELS, 0),
        "gAMA of nothing": Case(lambda: png(PIXELS, gama(0)), PIXELS, 0),
        "gAMA of 200 bytes": Case(
            lambda: png(PIXELS, png_chunk(b"gAMA", b"\xff" * 200)), PIXELS, 0
        ),
        "gAMA, damaged": Case(lambda: png(PIXELS, broken(gama(100_000))), PIXELS, 0),
        "sRGB before gAMA": Case(
            lambda: png(PIXELS, gama(100_000), png_chunk(b"sRGB", b"\0")), PIXELS, 0
        ),
        "profile before gAMA": Case(
            lambda: png(other, gama(100_000), iccp(profiles.rgb(profiles.ADOBE, 2.2))), PIXELS, 2
        ),
        "cICP of P3": Case(lambda: png(p3, png_chunk(b"cICP", bytes([12, 13, 0, 1]))), PIXELS, 2),
        "cICP before a profile": Case(
            lambda: png(
                PIXELS,
                png_chunk(b"cICP", bytes([1, 13, 0, 1])),
                iccp(profiles.rgb(profiles.ADOBE, 2.2)),
            ),
            PIXELS,
            0,
        ),
        "cICP of HDR": Case(
            lambda: png(PIXELS, png_chunk(b"cICP", bytes([9, 16, 0, 1]))), PIXELS, 0
        ),
    }


def no_profiles() -> dict[str, Case]:
    """Profiles that count as none, and some that are sRGB."""
    srgb, adobe = profiles.rgb(profiles.SRGB, 2.2), profiles.rgb(profiles.ADOBE, 2.2)
    found = {
        "of nothing": b"\0" * 200,
        "cut short": adobe[:200],
        "of garbage": adobe[:128] + bytes(range(256)),
        "of greys for colours": profiles.grey(1.0),
        "of inks for colours": profiles.cmyk_of_other_inks(),
    }
    cases = {
        f"{kind} with a profile {name}": Case(
            lambda k=kind, p=profile: encode(CAT, k, icc_profile=p, quality=95, lossless=True),
            PIXELS,
            3 if kind == "JPEG" else 0,
        )
        for name, profile in found.items()
        for kind in ("JPEG", "PNG", "WEBP")
    }
    cases["PNG with a profile that does not unpack"] = Case(
        lambda: png(PIXELS, png_chunk(b"iCCP", b"a\0\0" + b"garbage")), PIXELS, 0
    )
    cases["PNG with a damaged profile"] = Case(lambda: png(PIXELS, broken(iccp(adobe))), PIXELS, 0)
    cases["PNG with a large profile"] = Case(
        lambda: png(profiles.stored(PIXELS, profiles.ADOBE, 2.2), iccp(adobe + bytes(2_000_000))),
        PIXELS,
        2,
    )
    cases["PNG with a profile of 100 MB"] = Case(
        lambda: png(PIXELS, iccp(bytes(100_000_000))), PIXELS, 0
    )
    cases["JPEG of greys in sRGB"] = Case(
        lambda: encode(image(GREY), quality=95, icc_profile=srgb),
        np.repeat(GREY[..., None], 3, 2),
        2,
    )
    return cases


def noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def comment(text: bytes) -> bytes:
    """A segment of a JPEG file."""
    return b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text


def damaged() -> dict[str, Case]:
    """A little of the file is missing or wrong."""
    cases = {}
    for name, options in {
        "": {},
        " progressive": {"progressive": True},
        " of full colours": {"subsampling": 0},
        " of few bytes": {"quality": 30, "optimize": True},
    }.items():
        for size in ((150, 100), (600, 400), (451, 301)):
            other = picture("cat").resize(size)
            seen = np.asarray(Image.open(io.BytesIO(encode(other, **options))))
            for gone in (2, 3, 10):
                cases[f"JPEG{name} of {size} without {gone} bytes"] = Case(
                    lambda i=other, o=options, g=gone: encode(i, **o)[:-g], seen, 2
                )
            if name == " progressive":
                cases[f"JPEG{name} of {size} without a seventh"] = Case(
                    lambda i=other, o=options: cut(encode(i, **o), 0.86), seen, 8
                )
            cases[f"JPEG{name} of {size} without a twentieth"] = Case(
                lambda i=other, o=options: cut(encode(i, **o), 0.97), seen, 8
            )
    tall = Image.new("RGB", (300, 300), "white")
    tall.paste(CAT, (0, 0))
    seen = np.asarray(Image.open(io.BytesIO(encode(tall))))
    cases["JPEG that ends in white without its end"] = Case(lambda: encode(tall)[:-2], seen, 1)
    grey = Image.new("RGB", (300, 300), (128, 128, 128))
    grey.paste(CAT, (0, 0))
    for name, options in {"": {}, " progressive": {"progressive": True}}.items():
        seen = np.asarray(Image.open(io.BytesIO(encode(grey, **options))))
        cases[f"JPEG{name} that ends in grey"] = Case(lambda o=options: encode(grey, **o), seen, 0)
    for mode, size, drawn in product(("L", "RGB", "CMYK"), (64, 320, 600), (False, True)):
        for quality, subsampling in ((10, 0), (75, 2)):
            dull = Image.new(mode, (size, size), (128,) * len(mode))
            if drawn:
                dull.paste(60, (size // 8, size // 8, size // 2, size // 3))
            file = encode(dull, quality=quality, subsampling=subsampling, optimize=True)
            seen = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
            cases[f"JPEG of grey{' and more' * drawn} in {mode} of {size} of {quality}"] = Case(
                lambda f=file: f, seen, 0
            )
    for colour, size in product(("white", "black", "grey"), (320, 600)):
        plain = Image.new("RGB", (size, size), colour)
        plain.paste(CAT, (size // 4, size // 4))
        file = encode(plain, progressive=True)
        seen = np.asarray(Image.open(io.BytesIO(file)))
        for gone in (1, 2, 10):
            cases[f"JPEG progressive on {colour} of {size} without {gone} bytes"] = Case(
                lambda f=file, g=gone: f[:-g], seen, 1
            )
    black = Image.new("RGB", (300, 200))
    black.paste(SMALL.convert("RGB"), (100, 60))
    seen_black = np.asarray(black.quantize(64).convert("RGB"))
    few = Image.new("RGB", (320, 320), "white")
    few.paste("red", (80, 80, 200, 150))
    jpeg = encode(CAT)
    seen_jpeg = np.asarray(Image.open(io.BytesIO(jpeg)))
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000)))
    cases |= {
        "PNG with a damaged comment": Case(lambda: spoilt_text(encode(CAT, "PNG")), PIXELS, 0),
        "PNG with a comment of 100 MB": Case(lambda: png(PIXELS, text), PIXELS, 0),
        "PNG with a comment of no sense": Case(
            lambda: png(PIXELS, png_chunk(b"iTXt", b"\xff")), PIXELS, 0
        ),
        "PNG without an end": Case(lambda: encode(CAT, "PNG")[:-12], PIXELS, 0),
        "PNG with a wrong checksum of its rows": Case(
            lambda: (file := encode(CAT, "PNG"))[:-20] + bytes(4) + file[-16:], PIXELS, 3
        ),
        "PNG, small, with a wrong checksum of its rows": Case(
            lambda: (file := encode(few, "PNG"))[:-20] + bytes(4) + file[-16:], np.asarray(few), 1
        ),
        "PNG without its last rows": Case(lambda: cut(encode(CAT, "PNG"), 0.95), PIXELS, 12),
        "PNG, interlaced, without its last rows": Case(
            lambda: cut(png(PIXELS, interlaced=True), 0.95), PIXELS, 14
        ),
        "PNG with damaged transparency": Case(
            lambda: png(PIXELS, broken(png_chunk(b"tRNS", bytes(6)))), PIXELS, 0
        ),
        "GIF without its last rows": Case(lambda: cut(encode(PALETTE, "GIF"), 0.95), SEEN, 12),
        "GIF, interlaced, without its last rows": Case(
            lambda: cut(encode(PALETTE, "GIF", interlace=1), 0.95), SEEN, 12
        ),
        "JPEG with a film behind it": Case(lambda: jpeg + noise(6_000_000), seen_jpeg, 0),
        "JPEG with large comments": Case(
            lambda: jpeg[:2] + comment(noise(65_000)) * 77 + jpeg[2:], seen_jpeg, 0
        ),
        "BMP of black without a byte": Case(
            lambda: encode(black, "BMP")[:-1], np.asarray(black), 1
        ),
        "GIF on black without 10 bytes": Case(
            lambda: encode(black.quantize(64), "GIF")[:-10], seen_black, 5
        ),
        "GIF of a part on black without 10 bytes": Case(
            lambda: gif_at(30, 20, SMALL)[:-10], on_white(SMALL_SEEN, 30, 20), 3
        ),
        "BMP without its last rows": Case(lambda: cut(encode(CAT, "BMP"), 0.95), PIXELS, 12),
        "GIF without an end": Case(lambda: encode(PALETTE, "GIF")[:-1], SEEN, 0),
    }
    return cases


def first_frames() -> dict[str, Case]:
    """Of animations, and pictures that cover a part of their canvas."""
    part = PIXELS[:40, :60]
    blue = Image.new("RGB", CAT.size, "blue")
    moving = {"save_all": True, "append_images": [blue], "duration": 50}
    holes = np.where(np.arange(40)[:, None, None] % 2, part, 255)
    see_through = Image.fromarray(
        np.dstack([part, np.broadcast_to(np.arange(40)[:, None] % 2 * 255, (40, 60))]).astype("u1")
    )
    few = see_through.convert("RGB").quantize(64)
    opaque = np.asarray(few.convert("RGB"))
    values = np.where(np.arange(40)[:, None] % 2, np.asarray(few), 64).astype(np.uint8)
    pierced = Image.fromarray(values, "P")
    pierced.putpalette([*few.getpalette()[:192], 0, 0, 0])
    seen = np.where(np.arange(40)[:, None, None] % 2, opaque, 255)
    assert holes.shape == seen.shape
    return {
        "WebP, moving": Case(lambda: encode(CAT, "WEBP", lossless=True, **moving), PIXELS, 0),
        "WebP, moving, of a part": Case(
            lambda: moving_webp(alpha=False), on_white(part, 20, 10), 0
        ),
        "WebP, moving, of a part, with alpha": Case(
            lambda: moving_webp(alpha=True), on_white(part, 20, 10), 0
        ),
        "PNG, moving": Case(lambda: encode(CAT, "PNG", **moving), PIXELS, 0),
        "PNG, moving, beside a still": Case(
            lambda: encode(blue, "PNG", **moving | {"append_images": [CAT]}, default_image=True),
            PIXELS,
            0,
        ),
        "PNG, moving, of a part": Case(moving_png, on_white(part, 20, 10), 0),
        "GIF": Case(lambda: encode(PALETTE, "GIF"), SEEN, 0),
        "GIF, interlaced": Case(lambda: encode(PALETTE, "GIF", interlace=1), SEEN, 0),
        "GIF of greys": Case(
            lambda: encode(image(GREY), "GIF"), np.repeat(GREY[..., None], 3, 2), 0
        ),
        "GIF, moving": Case(lambda: encode(PALETTE, "GIF", **moving), SEEN, 0),
        "GIF of a part": Case(lambda: gif_at(30, 20, SMALL), on_white(SMALL_SEEN, 30, 20), 0),
        "GIF of a part at the corner": Case(
            lambda: gif_at(0, 0, SMALL), on_white(SMALL_SEEN, 0, 0), 0
        ),
        "GIF with holes": Case(
            lambda: gif_at(30, 20, pierced, transparency=64), on_white(seen, 30, 20), 0
        ),
    }


def bitmaps() -> dict[str, Case]:
    greys, seen = np.repeat(GREY[..., None], 3, 2), {}
    cases = {}
    for depth in (1, 4, 8):
        rows, seen = bits_of(depth)
        for down in (False, True):
            cases[f"BMP of {depth} bits{', top down' * down}"] = Case(
                lambda r=rows, b=depth, d=down: bmp(r, b, top_down=d), seen, 0
            )
    whole_rows = [whole(row[:, ::-1].tobytes()) for row in PIXELS]
    wide = [
        np.dstack([row[None, :, ::-1], np.zeros((1, 150, 1), "u1")]).tobytes() for row in PIXELS
    ]
    return cases | {
        "BMP of 16 bits": Case(lambda: bmp(high_colour(), 16), PIXELS, 5),
        "BMP of 24 bits": Case(lambda: bmp(whole_rows, 24), PIXELS, 0),
        "BMP of 24 bits, top down": Case(lambda: bmp(whole_rows, 24, top_down=True), PIXELS, 0),
        "BMP of 32 bits": Case(lambda: bmp(wide, 32), PIXELS, 0),
        "BMP of 32 bits with alpha": Case(lambda: encode(CAT.convert("RGBA"), "BMP"), PIXELS, 0),
        "BMP of 32 bits with alpha of zeros": Case(
            lambda: encode(Image.fromarray(np.dstack([PIXELS, GREY * 0])), "BMP"), PIXELS, 0
        ),
        "BMP of run lengths": Case(lambda: bmp(run_lengths(), 8, packing=1), greys, 0),
    }


def turns() -> dict[str, Case]:
    """What says that a picture is to be turned, and what only seems to."""
    turned = CAT.transpose(Image.Transpose.ROTATE_90)
    text = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_6)
    raw = EXIF_6.hex()
    old = png_chunk(
        b"tEXt", b"Raw profile type exif\0\nexif\n" + f"{len(raw) // 2}\n{raw}".encode()
    )
    plain = Image.Exif()
    plain[0x010E] = "a cat"
    cases = {
        f"{kind} turned by EXIF": Case(
            lambda k=kind: encode(turned, k, exif=EXIF_6, quality=95, lossless=True), PIXELS, 4
        )
        for kind in ("JPEG", "PNG", "WEBP", "AVIF")
    }
    cases |= {
        f"{kind} with XMP's orientation": Case(
            lambda k=kind: encode(CAT, k, xmp=XMP_6, exif=plain, quality=95, lossless=True),
            PIXELS,
            4,
        )
        for kind in ("JPEG", "WEBP", "AVIF")
    }
    profile = profiles.rgb(profiles.ADOBE, 2.2)
    other = image(profiles.stored(PIXELS, profiles.ADOBE, 2.2)).transpose(Image.Transpose.ROTATE_90)
    return cases | {
        "PNG with XMP's orientation": Case(lambda: png(PIXELS, text), PIXELS, 0),
        "PNG with an orientation in a comment": Case(lambda: png(PIXELS, old), PIXELS, 0),
        "JPEG turned and in Adobe RGB": Case(
            lambda: encode(other, exif=EXIF_6, icc_profile=profile, quality=95), PIXELS, 4
        ),
    }


def cases() -> dict[str, Case]:
    """Every file that is read."""
    groups = (spaces, numbers, no_profiles, damaged, first_frames, bitmaps, turns)
    return {name: case for group in groups for name, case in group().items()}


def early_end(part: float, **options: object) -> bytes:
    """Cut short, with an end put to it."""
    return cut(encode(picture("cat"), **options), part) + b"\xff\xd9"


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that are refused, and a word of the reason."""
    cat = picture("cat")
    film = b"\0\0\0\x18ftyp%s\0\0\0\0mp42isom" + bytes(100)
    found = {
        "TIFF": (encode(cat, "TIFF"), "TIFF"),
        "TIFF of a Macintosh": (b"MM\0*" + bytes(100), "TIFF"),
        "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "JPEG 2000"),
        "JPEG 2000 codestream": (b"\xff\x4f\xff\x51" + bytes(100), "JPEG 2000"),
        "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "JPEG XL"),
        "JPEG XL codestream": (b"\xff\x0a" + bytes(100), "JPEG XL"),
        "SVG": (b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="a"/>', "SVG"),
        "SVG with a mark": (b"\xef\xbb\xbf<svg/>", "SVG"),
        "SVG behind a long comment": (b"<!--" + b"-" * 9000 + b"-->\n<svg/>", "SVG"),
        "SVG behind a hundred kilobytes": (b"<?a?>\n<!--%s--><svg/>" % bytes(100_000), "SVG"),
        "SVG in UTF-16": ("<!-- 猫 --><svg/>".encode("utf-16"), "SVG"),
        "SVG in UTF-16 without a mark": ("<svg/>".encode("utf-16-be"), "SVG"),
        "SVG with a page in it": (b"<svg><foreignObject><html><body/></html></svg>", "SVG"),
        "SVG with a namespace": (b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>', "SVG"),
        "SVG with a document type": (
            b'<!DOCTYPE svg PUBLIC "a" "b" [\n<!ENTITY html "<html>">]><svg/>',
            "SVG",
        ),
        "XML": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "XML"),
        "XML with a namespace": (b'<rss xmlns:m="http://search.yahoo.com/mrss/"><img/>', "XML"),
        "XML with a prefix": (b"<s:Envelope><s:Body/></s:Envelope>", "XML"),
        "XML with a document type": (b'<!DOCTYPE plist PUBLIC "a" "b"><plist/>', "XML"),
        "JSON": (b'{"error": "not found"}', "text"),
        "words": ("見つかりません".encode() * 100, "text"),
        "PDF": (b"%PDF-1.7\n", "PDF"),
        "ICO": (encode(cat.resize((32, 32)), "ICO"), "ICO"),
        "cursor": (b"\0\0\2\0\1\0" + bytes(100), "ICO"),
        "TGA": (encode(cat, "TGA"), "TGA"),
        "TGA, packed": (encode(cat, "TGA", compression="tga_rle"), "TGA"),
        "TGA in grey": (encode(cat.convert("L"), "TGA"), "TGA"),
        "TGA of before its footer": (encode(cat, "TGA")[:-26], "TGA"),
        "JPEG XR": (b"II\xbc\1" + bytes(100), "JPEG XR"),
        "PNM": (encode(cat, "PPM"), "PNM"),
        "CR3": (film.replace(b"%s", b"crx "), "a camera's raw file"),
        "RAF": (b"FUJIFILMCCD-RAW 0201" + bytes(100), "a camera's raw file"),
        "AVI": (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        "zip": (b"PK\3\4" + bytes(100), "zip"),
        "page": (b"\n<!DOCTYPE html><title>a</title><svg/>", "web page"),
        "page in XML": (b'<?xml version="1.0"?><html/>', "web page"),
        "page behind a comment": (b"<!-- x -->\n<!-- y --><HTML><svg/>", "web page"),
        "page in UTF-16": ("<html>".encode("utf-16"), "web page"),
        "part of a page": (b"<div>not found</div>", "web page"),
        "page in XHTML": (b'<html xmlns="http://www.w3.org/1999/xhtml"/>', "web page"),
        "page without a head": (b"<main><h2>Access denied</h2></main>", "web page"),
        "page of words": (b"<em\n>blocked</em>", "web page"),
        "page behind a long comment": (b"<!--%s--><p>" % bytes(100_000), "web page"),
        "BMP, cut short": (cut(encode(cat, "BMP"), 0.8), "a tenth"),
        "GIF, cut short": (cut(encode(PALETTE, "GIF"), 0.8), "a tenth"),
        "GIF, interlaced, cut short": (cut(encode(PALETTE, "GIF", interlace=1), 0.8), "a tenth"),
        "WebP, cut short": (cut(encode(cat, "WEBP"), 0.98), "damaged"),
        "AVIF, cut short": (cut(encode(cat, "AVIF"), 0.98), "damaged"),
        "HEIC, cut short": (cut(encode(cat, "HEIF"), 0.98), "damaged"),
        "PNG, interlaced, cut short": (cut(png(PIXELS, interlaced=True), 0.85), "a tenth"),
        "PNG, cut short": (cut(encode(cat, "PNG"), 0.85), "a tenth"),
    }
    for box in (b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"):
        found[f"film that begins with {box.decode()}"] = (b"\0\0\0\x08" + box + film, "MP4")
    for brand in (b"isom", b"mp42", b"qt  ", b"M4V ", b"3gp5"):
        found[f"film of {brand.decode()}"] = (film.replace(b"%s", brand), "MP4")
    for part in (0.2, 0.5, 0.85):
        for name, options in {"": {}, " progressive": {"progressive": True}}.items():
            if (name, part) != (" progressive", 0.85):  # all of it is there, a little blurred
                found[f"JPEG{name} of {part}"] = (cut(encode(cat, **options), part), "a tenth")
        found[f"JPEG of {part} with an end"] = (early_end(part), "a tenth")
    inks = encode(cat.convert("CMYK"))
    found["JPEG in CMYK of 0.1 with an end"] = (cut(inks, 0.1) + b"\xff\xd9", "a tenth")
    found["JPEG progressive of 0.05 with an end"] = (early_end(0.05, progressive=True), "a tenth")
    return found
