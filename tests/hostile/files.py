"""Picture files made to hurt. Small on disk, whatever they unfold to."""

import io
import struct
import zlib
from dataclasses import replace
from functools import cache

import pillow_heif
from PIL import Image, PngImagePlugin

from tests.hostile import heif
from tests.photos import encode

pillow_heif.register_heif_opener()
CAP_PX = 50_000_000
"""The default limit of pixels."""


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Length, kind, body and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    """A PNG file whose header claims that size, 8-bit RGB."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    end = png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + end


def flat_png(width: int, height: int) -> bytes:
    """A whole and honest PNG file of one grey, some kilobytes whatever its size."""
    return encode(Image.new("L", (width, height), 90), "PNG")


def bmp(width: int, height: int, packed: bytes = b"") -> bytes:
    """A BMP file that claims that size; with packed data by run lengths."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, bool(packed), 0, 0, 0, 2, 0)
    start = 14 + len(info) + 8
    return struct.pack("<2sIHHI", b"BM", 0, 0, 0, start) + info + bytes(8) + packed


def gif(width: int, height: int, frame: tuple[int, int] | None = None) -> bytes:
    """A GIF file that claims that size, and another one of its first frame."""
    file = bytearray(encode(Image.new("L", (16, 16), 90), "GIF"))
    file[6:10] = struct.pack("<HH", width, height)
    at = file.index(b",\0\0\0\0\x10\0\x10\0")
    file[at + 5 : at + 9] = struct.pack("<HH", *(frame or (16, 16)))
    return bytes(file)


def profile_bomb(size: int) -> bytes:
    """An ICC profile of a table of so many steps in each of four inks."""
    table = b"mft1\0\0\0\0" + bytes([4, 3, size, 0]) + bytes(36 + 4 * 256)
    table += bytes(3 * size**4 + 3 * 256)
    head = b"\0\0\0\0" * 2 + b"\2\x40\0\0prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28)
    head = head.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    return struct.pack(">I", len(head) + len(table)) + head[4:] + table


def text_bomb(unfolded: int, kind: bytes = b"zTXt") -> bytes:
    """A chunk of compressed text, or an ICC profile for ``iCCP``."""
    return png_chunk(kind, b"a\0\0" + zlib.compress(bytes(unfolded), 9))


def lying_jpeg(width: int, height: int) -> bytes:
    """A JPEG file whose frame header claims that size and whose data is that of 16x16."""
    file = bytearray(encode(Image.new("RGB", (16, 16))))
    at = file.index(b"\xff\xc0")
    file[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def scan_bomb(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG file that repeats its last scan."""
    file = encode(Image.new("L", (side, side), 90), progressive=True)
    last = file.rindex(b"\xff\xda")
    return file[:last] + file[last:-2] * scans + file[-2:]


def named_mpo(jpeg: bytes) -> bytes:
    """The same with a segment that says two pictures, for which Pillow calls the file MPO."""
    entries = struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 38)
    index = b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + bytes(32)
    segment = b"MPF\0" + index
    return jpeg[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@cache
def over_the_cap(kind: str) -> bytes:
    """A whole and honest file of one flat colour, a little over the limit of pixels."""
    return encode(
        Image.new("L" if kind != "WEBP" else "RGB", (10_000, 5_001), 9),
        kind,
        lossless=kind == "WEBP",
        speed=10,
        # x265 takes ten times as long otherwise, in threads that give way to all others.
        enc_params={"preset": "ultrafast", "x265:pools": "none"},
    )


@cache
def claims(kind: str, real: tuple[int, int], claimed: tuple[int, int]) -> bytes:
    """An AVIF or HEIC file whose container claims another size than its picture has."""
    file = encode(Image.new("RGB", real, (200, 100, 50)), kind, speed=10)
    told, lie = (b"ispe\0\0\0\0" + struct.pack(">II", *size) for size in (real, claimed))
    assert told in file
    return file.replace(told, lie)


def with_text(memory: int) -> bytes:
    """A PNG file with so much compressed text in legal pieces."""
    info = PngImagePlugin.PngInfo()
    for _ in range(memory // 1_000_000 + 1):
        info.add_text("a", "\0" * 1_000_000, zip=True)
    return encode(Image.new("RGB", (4, 4)), "PNG", pnginfo=info)


def animation(kind: str, frames: int) -> bytes:
    """So many frames, the first one red."""
    pictures = [Image.new("RGB", (16, 16), (0, n % 256, n // 256)) for n in range(frames - 1)]
    first = Image.new("RGB", (16, 16), "red")
    return encode(first, kind, save_all=True, append_images=pictures, duration=20, lossless=True)


@cache
def not_pictures() -> dict[str, bytes]:
    """What else comes under the name of a picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "TIFF")
    return {
        "nothing": b"",
        "HTML": b"<!DOCTYPE html><html><body>sign in</body></html>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "XML entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///x">]><svg/>',
        "PDF": b"%PDF-1.7\n1 0 obj\n",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        "TIFF": buffer.getvalue(),
        "zip": b"PK\3\4" + bytes(40),
        "zeros": bytes(10_000),
        "only a PNG signature": b"\x89PNG\r\n\x1a\n",
        "only a JPEG signature": b"\xff\xd8\xff",
        "only a WebP signature": b"RIFF\x10\0\0\0WEBPVP8 ",
        "only an AVIF signature": b"\0\0\0\x14ftypavif\0\0\0\0avif",
        "only a HEIC signature": b"\0\0\0\x14ftypheic\0\0\0\0heic",
    }


def wide_webp(width: int, height: int) -> bytes:
    """A WebP file whose canvas claims that size."""
    file = bytearray(encode(Image.new("RGB", (16, 16)), "WEBP", exif=Image.Exif().tobytes()))
    assert file[12:16] == b"VP8X"
    file[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(file)


def too_long() -> dict[str, bytes]:
    """One side over 65,535, the area within the limit."""
    line = (65_536, 1)
    hevc, av1 = heif.coded("HEIF", (64, 64)), heif.coded("AVIF", (64, 64))
    return {
        "PNG of 1x50,000,000": png(1, 50_000_000),
        "PNG of a line": png(*line),
        "APNG of a line": png(*line, png_chunk(b"acTL", bytes(8)), data=bytes(52)),
        "BMP of a line": bmp(*line),
        "BMP of the longest line": bmp(2**31 - 1, 1),
        "WebP of a line": wide_webp(*line),
        "HEIC of a line": claims("HEIF", (64, 64), line),
        "HEIC of a grid as long": heif.file([heif.grid(1, 1, line), hevc]),
        "HEIC of a canvas as long": heif.file([heif.overlay(1, line), hevc]),
        "HEIC of the largest canvas": heif.file([heif.overlay(1, (2**31, 2**31)), hevc]),
        "AVIF of a line": claims("AVIF", (64, 64), line),
        "AVIF of a grid as long": heif.file([heif.grid(1, 1, line), av1], "AVIF"),
        "AVIF that claims 65,535x65,535": claims("AVIF", (64, 64), (65_535, 65_535)),
    }


@cache
def too_large() -> dict[str, bytes]:
    """Bombs: more pixels than the limit, claimed or real."""
    return {
        **too_long(),
        "GIF that claims 60,000x60,000": gif(60_000, 60_000),
        "GIF of a frame as large": gif(16, 16, (60_000, 60_000)),
        "BMP that claims 60,000x60,000": bmp(60_000, 60_000),
        "PNG that claims 50,000x50,000": png(50_000, 50_000),
        "PNG that claims the most there is": png(2**31 - 1, 2**31 - 1),
        "JPEG that claims 65,500x65,500": lying_jpeg(65_500, 65_500),
        "PNG": over_the_cap("PNG"),
        "JPEG": over_the_cap("JPEG"),
        "WebP": over_the_cap("WEBP"),
        "AVIF": over_the_cap("AVIF"),
        "HEIC": over_the_cap("HEIF"),
    }


def unfolding() -> dict[str, bytes]:
    """Files that claim 64x64 and have a picture over the limit of pixels inside."""
    small = heif.coded("HEIF", (64, 64))
    large = heif.item_of(over_the_cap("HEIF"), (10_000, 5_001))
    return {
        "HEIC of a large tile": heif.file([heif.grid(1, 1, (64, 64)), large]),
        "HEIC of a large canvas": heif.file([heif.overlay(1, (30_000, 30_000), (64, 64)), small]),
        "HEIC of a large grid": heif.file([heif.grid(30, 30, (61_440, 61_440), (64, 64)), small]),
        "HEIC that is another one": heif.file([heif.same_as(1, (64, 64)), large]),
        "HEIC with a large alpha": heif.file([small, heif.alpha_of(0, large)]),
        "HEIC of a large picture two levels down": heif.file(
            [heif.grid(1, 1, (64, 64)), heif.same_as(2, (64, 64)), large]
        ),
        "AVIF grid that claims little": avif_grid(20, (10_240, 10_240), (64, 64)),
    }


def avif_grid(side: int, real: tuple[int, int], claimed: tuple[int, int]) -> bytes:
    """So many tiles of 512x512 a side."""
    tiles = [heif.coded("AVIF", (512, 512))] * side**2
    places = tuple(range(1, side**2 + 1))
    return heif.file([heif.grid(side, side, real, claimed, places), *tiles], "AVIF")


def endless_heic() -> bytes:
    """A file that claims 64x64 and would be decoded for hours: grids within grids."""
    tile = heif.coded("HEIF", (1024, 1024))
    grids = [heif.grid(8, 8, (64, 64), places=(level + 1,) * 64) for level in range(3)]
    return heif.file([*grids, tile])


@cache
def damaged() -> dict[str, bytes]:
    """Right signatures, wrong insides."""
    return {
        "JPEG that claims 7,000x7,000": lying_jpeg(7_000, 7_000)[:-40],
        "JPEG of 100,000 scans": scan_bomb(100_000),
        "MPO of 100,000 scans": named_mpo(scan_bomb(100_000)),
        "JPEG of 60 scans of 16 megapixels": scan_bomb(60, side=4000),
        "HEIC that claims little": claims("HEIF", (8_000, 6_000), (64, 64)),
        "HEIC that claims much": claims("HEIF", (64, 64), (8_000, 6_000)),
        "PNG without pixels": png(4, 4),
        "PNG with a wrong checksum": png(4, 4, data=bytes(52)).replace(
            b"IHDR\0\0\0\4", b"IHDR\0\0\0\5"
        ),
        "PNG of no width": png(0, 4),
        "JPEG of no height": lying_jpeg(16, 0),
        "HEIC of grids in grids": endless_heic(),
        **unfolding(),
    }


def in_front(jpeg: bytes, more: bytes) -> bytes:
    """The same with that behind its first two bytes."""
    return jpeg[:2] + more + jpeg[2:]


def boxes_in_front(file: bytes) -> bytes:
    """A HEIC or AVIF file with empty boxes behind its first one."""
    first = int.from_bytes(file[:4])
    return file[:first] + heif.box(b"free") * 1_200_000 + file[first:]


def riff_chunks(count: int) -> bytes:
    """A WebP file with so many empty chunks at its end."""
    file = encode(Image.new("RGB", (16, 16), "red"), "WEBP", exif=Image.Exif().tobytes())
    chunks = file[8:] + b"abcd\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@cache
def crumbled() -> dict[str, bytes]:
    """Files of very many parts, each of them read one by one by what looks for the header."""
    jpeg, chunk = lying_jpeg(16, 16), png_chunk(b"teXt", b"")
    gif = encode(Image.new("L", (16, 16), 90), "GIF")
    gif = gif[:10] + b"\0" + gif[11:13] + gif[gif.index(b",") :]
    picture = png(4, 4, data=bytes(52))
    end = picture.index(b"\0\0\0\0IEND")
    return {
        "JPEG of 5,500,000 segments": in_front(jpeg, b"\xff\xe1\0\2" * 5_500_000),
        "JPEG of 2,400,000 comments": in_front(jpeg, b"\xff\xfe\0\2" * 2_400_000),
        "JPEG of 4,000,000 marks": in_front(jpeg, b"\xff\xd0" * 4_000_000),
        "JPEG of 9 MB of fill bytes": in_front(jpeg, b"\xff" * 9_000_000),
        "JPEG of 9 MB of nothing": in_front(jpeg, b"\xff\xd0" + bytes(9_000_000)),
        "PNG of 800,000 chunks": png(4, 4, chunk * 800_000, data=bytes(52)),
        "PNG of 800,000 chunks behind": picture[:end] + chunk * 800_000 + picture[end:],
        "GIF of 2,000,000 comments": gif[:13] + b"!\xfe\0" * 2_000_000 + gif[13:],
        "GIF of a comment of 3,000,000 parts": gif[:13]
        + b"!\xfe"
        + b"\1x" * 3_000_000
        + b"\0"
        + gif[13:],
        "BMP of 4,800,000 runs": bmp(2_200, 2_200, b"\1\1" * 4_800_000),
        "GIF of 9 MB of nothing": gif[:13] + b"\1" * 9_000_000 + gif[13:],
        "PNG of 800,000 pieces": picture[:end] + png_chunk(b"IDAT", b"") * 800_000 + picture[end:],
    }


@cache
def odd() -> dict[str, bytes]:
    """Files that nobody writes, and that may turn out to be a picture all the same."""
    picture = heif.coded("AVIF", (64, 64))
    whole_file = b"\0\0\0\0" * 2  # from the beginning to the end
    nowhere = heif.file([picture], "AVIF")
    size = len(nowhere)
    small = heif.coded("HEIF", (64, 64))
    many = struct.pack(">HHHH", 9, 0, 0, 60_000)
    crumbs = replace(picture, data=picture.data + b"\x12\0" * 5_000)
    headers = replace(picture, data=picture.data + b"\x0a\xff\x01\0\x0f" + bytes(253))
    place = 36  # behind ftyp and the head of mdat
    return {
        "PNG with one text of 100 MB": png(4, 4, text_bomb(100_000_000), data=bytes(52)),
        "PNG with texts of 100 MB": with_text(100_000_000),
        "PNG with a profile of 100 MB": png(4, 4, text_bomb(100_000_000, b"iCCP"), data=bytes(52)),
        "PNG of a gamma of 200 bytes": png(4, 4, png_chunk(b"gAMA", b"\xff" * 200), data=bytes(52)),
        "AVIF that claims little": claims("AVIF", (10_000, 5_001), (64, 64)),
        "HEIC of 900 layers": heif.file(
            [heif.overlay(900, (64, 64)), heif.coded("HEIF", (1024, 1024))]
        ),
        "HEIC of 1,200,000 boxes in front": boxes_in_front(heif.file([small])),
        "AVIF of 1,200,000 boxes in front": boxes_in_front(nowhere),
        "HEIC of 1,200,000 boxes behind": heif.file([small]) + heif.box(b"free") * 1_200_000,
        "AVIF of 1,200,000 boxes behind": nowhere + heif.box(b"free") * 1_200_000,
        "WebP of 1,200,000 chunks": riff_chunks(1_200_000),
        "BMP of nothing but jumps": bmp(7_000, 7_000, b"\0\2\xff\0" * 25_000 + b"\0\1"),
        "BMP of rows of one pixel": bmp(1, 65_535, b"\1\1\0\0" * 65_535 + b"\0\1"),
        "JPEG of inks in a large profile": encode(
            Image.new("CMYK", (64, 64)), icc_profile=profile_bomb(33)
        ),
        "JPEG of inks in a profile that is too large": encode(
            Image.new("CMYK", (64, 64)), icc_profile=profile_bomb(40)
        ),
        "PNG of 16 MP, a little cut short": flat_png(4_000, 4_000)[:-1_000],
        "JPEG of 16 MP without its end": encode(Image.effect_noise((4_000, 4_000), 9))[:-2],
        "JPEG of 16 MP that ends in grey": encode(Image.new("L", (4_000, 4_000), 128)),
        "item of whole files": heif.file([picture], "AVIF", extents=many + whole_file * 60_000),
        "extents of no bytes": heif.file([picture], "AVIF", extents=many, extent_sizes=b"\0\0"),
        "very many boxes": nowhere + heif.box(b"free") * 20_000,
        "size of no box": nowhere + b"\0\0\0\7free",
        "two of one": nowhere + nowhere[nowhere.index(b"meta") - 4 : size],
        "picture of itself": heif.file([heif.grid(1, 1, (64, 64), places=(0,))]),
        "picture of nothing": heif.file([heif.grid(1, 1, (64, 64), places=(7,))]),
        "picture of another kind": heif.file([replace(picture, kind=b"unci")]),
        "crumbs": heif.file([replace(picture, data=picture.data + b"\x12\0" * 20_000)], "AVIF"),
        "crumbs in every layer": heif.file(
            [heif.grid(1, 3, (64, 64), places=(1, 2, 3)), *[crumbs] * 3], "AVIF"
        ),
        "crumbs in every track": heif.film(crumbs, tracks=3, kind="AVIF"),
        "crumbs in item and track": heif.film(crumbs, heif.file([crumbs], "AVIF")),
        "long sequence headers": heif.file(
            [heif.grid(2, 150, (64, 64), places=tuple(range(1, 301))), *[headers] * 300], "AVIF"
        ),
        "track in 1,500 places": heif.film(
            crumbs, tables=[heif.offset_table(place)] * 1500, kind="AVIF"
        ),
        "track in two kinds of places": heif.film(
            picture,
            tables=[heif.full_box(b"co64", 0, struct.pack(">IQ", 1, place))],
            kind="AVIF",
        ),
        "track in no place": heif.film(picture, kind="AVIF").replace(b"stco", b"free"),
        "track of two sizes": heif.film(
            picture, tables=[heif.full_box(b"stsz", 0, bytes(8))], kind="AVIF"
        ),
        "very many tracks": heif.film(picture, tracks=1000, kind="AVIF"),
        "two films": heif.film(picture, heif.film(picture, kind="AVIF")),
        "very many uses of a size": heif.file(
            [replace(picture, properties=picture.properties * 100)] * 60, "AVIF"
        ),
    }
