"""HEIC and AVIF files put together box by box (ISO/IEC 23008-12), to claim what we like."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pillow_heif
from PIL import Image

from tests.photos import encode

pillow_heif.register_heif_opener()

BRANDS = {"HEIF": b"heic", "AVIF": b"avif"}
CODECS = {"HEIF": (b"hvc1", b"hvcC"), "AVIF": (b"av01", b"av1C")}


@dataclass(frozen=True)
class Item:
    """One picture of a file; the first is the one that is shown.

    Attributes:
        kind: ``hvc1``, ``av01``, ``grid``, ``iovl`` and others.
        data: of the picture.
        properties: boxes.
        inputs: positions of the items it is derived from.
        reference: box kind of what refers to them.
    """

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]
    inputs: tuple[int, ...] = ()
    reference: bytes = b"dimg"


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind: bytes, version: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *parts)


def size(width: int, height: int) -> bytes:
    """The box that claims a size."""
    return full_box(b"ispe", 0, struct.pack(">II", width, height))


def coded(kind: str, real: tuple[int, int], claimed: tuple[int, int] | None = None) -> Item:
    """A picture of one colour that claims its own or another size."""
    return item_of(encode(Image.new("RGB", real, (200, 100, 50)), kind, speed=10), claimed or real)


def item_of(file: bytes, claimed: tuple[int, int]) -> Item:
    """The only picture of a file, with a size to claim."""
    kind, config = next(pair for pair in CODECS.values() if pair[1] in file)
    at = file.index(config) - 4
    length = int.from_bytes(file[at : at + 4])
    data = file[file.index(b"mdat") + 4 :]
    return Item(kind, data, (file[at : at + length], size(*claimed)))


def grid(
    rows: int,
    columns: int,
    real: tuple[int, int],
    claimed: tuple[int, int] | None = None,
    places: tuple[int, ...] = (),
) -> Item:
    """So many tiles, all of them the second item unless told otherwise."""
    data = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *real)
    inputs = places or (1,) * (rows * columns)
    return Item(b"grid", data, (size(*(claimed or real)),), inputs)


def overlay(layers: int, real: tuple[int, int], claimed: tuple[int, int] | None = None) -> Item:
    """The second item so many times on a canvas of that size."""
    data = struct.pack(">BB4HII", 0, 1, 0, 0, 0, 0, *real) + bytes(8 * layers)
    return Item(b"iovl", data, (size(*(claimed or real)),), (1,) * layers)


def same_as(place: int, claimed: tuple[int, int]) -> Item:
    """Identical to another item."""
    return Item(b"iden", b"", (size(*claimed),), (place,))


def alpha_of(place: int, picture: Item) -> Item:
    """The same picture as the alpha plane of another item."""
    return belongs_to(place, picture, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")


def belongs_to(place: int, picture: Item, use: str) -> Item:
    """The same picture as an auxiliary one of another item."""
    kind = full_box(b"auxC", 0, use.encode() + b"\0")
    return replace(
        picture, properties=(*picture.properties, kind), inputs=(place,), reference=b"auxl"
    )


def tone_map(base: int, gain: int, claimed: tuple[int, int]) -> Item:
    """Brighter than its base by a gain map (ISO 21496-1); nothing shows it but screens that can."""
    return Item(b"tmap", bytes(62), (size(*claimed),), (base, gain))


def file(
    items: Sequence[Item],
    kind: str = "HEIF",
    *,
    extents: bytes = b"",
    extent_sizes: bytes = b"\x44\0",
) -> bytes:
    """A whole file of these items; their data is in the meta box.

    Args:
        items: the first one is shown.
        kind: HEIF or AVIF.
        extents: one more entry of the table of where items lie.
        extent_sizes: what that table begins with.
    """
    brand = BRANDS[kind]
    infos, places, links, uses, data = [], [], [], [], b""
    properties: list[bytes] = []
    for number, item in enumerate(items, start=1):
        infos.append(full_box(b"infe", 2, struct.pack(">HH", number, 0), item.kind, b"\0"))
        places.append(struct.pack(">HHHHII", number, 1, 0, 1, len(data), len(item.data)))
        data += item.data
        if item.inputs:
            targets = struct.pack(f">{len(item.inputs)}H", *(place + 1 for place in item.inputs))
            links.append(box(item.reference, struct.pack(">HH", number, len(item.inputs)), targets))
        properties += [one for one in item.properties if one not in properties]
        used = [properties.index(one) + 1 for one in item.properties]
        uses.append(struct.pack(">HB", number, len(used)) + bytes(used))
    count = struct.pack(">H", len(items))
    located = struct.pack(">H", len(items) + bool(extents))
    return box(b"ftyp", brand, b"\0\0\0\0mif1", brand) + full_box(
        b"meta",
        0,
        full_box(b"hdlr", 0, b"\0\0\0\0pict", bytes(13)),
        full_box(b"pitm", 0, b"\0\1"),
        full_box(b"iloc", 1, extent_sizes, located, *places, extents),
        full_box(b"iinf", 0, count, *infos),
        full_box(b"iref", 0, *links),
        box(
            b"iprp",
            box(b"ipco", *properties),
            full_box(b"ipma", 0, struct.pack(">I", len(items)), *uses),
        ),
        box(b"idat", data),
    )


def film(
    picture: Item,
    before: bytes = b"",
    *,
    tables: Sequence[bytes] = (),
    tracks: int = 1,
    kind: str = "HEIF",
) -> bytes:
    """A file with tracks that each show one picture.

    Args:
        picture: of the track.
        before: a whole file of items to go first; without, there are only tracks.
        tables: more boxes of where the pictures of a track lie.
        tracks: all alike.
        kind: HEIF or AVIF, as which the file is named when it has only tracks.
    """
    brand = {"HEIF": b"msf1\0\0\0\0msf1hevc", "AVIF": b"avis\0\0\0\0avismsf1"}[kind]
    before = before or box(b"ftyp", brand + b"iso8")
    width, height = struct.unpack(">II", next(p for p in picture.properties if b"ispe" in p)[12:])
    entry = box(
        picture.kind,
        struct.pack(">6xH16xHHII4xH32xHH", 1, width, height, 72 << 16, 72 << 16, 1, 24, 0xFFFF),
        picture.properties[0],
    )
    media = box(
        b"stbl",
        full_box(b"stsd", 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, struct.pack(">III", 1, 1, 1)),
        full_box(b"stsc", 0, struct.pack(">IIII", 1, 1, 1, 1)),
        full_box(b"stsz", 0, struct.pack(">III", 0, 1, len(picture.data))),
        offset_table(len(before) + 8),
        *tables,
    )
    unit = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    track = box(
        b"trak",
        box(
            b"tkhd",
            struct.pack(">IIIIII16x", 7, 0, 0, 1, 0, 1),
            unit,
            struct.pack(">II", width << 16, height << 16),
        ),
        box(
            b"mdia",
            full_box(b"mdhd", 0, struct.pack(">IIIII", 0, 0, 1, 1, 0x55C40000)),
            full_box(b"hdlr", 0, b"\0\0\0\0pict", bytes(13)),
            box(
                b"minf",
                box(b"vmhd", b"\0\0\0\1", bytes(8)),
                box(b"dinf", full_box(b"dref", 0, struct.pack(">I", 1), box(b"url ", b"\0\0\0\1"))),
                media,
            ),
        ),
    )
    times = struct.pack(">IIIIIH10x", 0, 0, 1, 1, 1 << 16, 256)
    head = full_box(b"mvhd", 0, times, unit, bytes(24), b"\0\0\0\2")
    return before + box(b"mdat", picture.data) + box(b"moov", head, *[track] * tracks)


def offset_table(*places: int) -> bytes:
    """A box of where the pictures of a track lie in the file."""
    return full_box(b"stco", 0, struct.pack(f">I{len(places)}I", len(places), *places))
