"""What the boxes of a HEIC or AVIF file say about the pictures in it.

Layouts are those of ISO/IEC 14496-12 and 23008-12. Whatever no usual encoder writes is an error:
what is read here must be what the decoder will read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_ENTRIES = 10_000
"""In one box, of whatever it holds; a photo of a phone has a thousand."""
MORE_THAN_THE_FILE = 2
"""Times the file's size that the data of all items may add up to: they hardly overlap."""


@dataclass
class Item:
    """One picture, or something else that is no picture.

    Attributes:
        kind: such as ``hvc1``, ``av01``, ``grid`` or ``Exif``.
        data: coded picture, or how others are put together.
        claimed_px: width times height as the file tells it.
        parts: ids of the items that are decoded for it.
    """

    kind: bytes = b""
    data: bytearray = field(default_factory=bytearray)
    claimed_px: int = 0
    parts: list[int] = field(default_factory=list)


class Reader:
    """Big-endian numbers one after the other.

    Args:
        data: to read from.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> int:
        """The next ``size`` bytes as a number.

        Raises:
            ValueError: there are fewer.
        """
        self._at += size
        if self._at > len(self._data):
            raise ValueError("a box ends early")
        return int.from_bytes(self._data[self._at - size : self._at])


def children(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of the boxes that lie one after the other in ``data``.

    Raises:
        ValueError: a size that no box has, or very many of them.
    """
    at = count = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if size == 0:
            size = len(data) - at
        count += 1
        if size < head:
            raise ValueError("a box is shorter than its head")
        _few(count)
        yield bytes(data[at + 4 : at + 8]), data[at + head : at + size]
        at += size


def within(data: memoryview, *path: bytes) -> Iterator[memoryview]:
    """Bodies of the boxes at the end of a path of kinds."""
    for kind, body in children(data):
        if kind == path[0]:
            if path[1:]:
                yield from within(body, *path[1:])
            else:
                yield body


def only(data: memoryview, *path: bytes) -> memoryview | None:
    """Body of the one box at the end of a path of kinds.

    Raises:
        ValueError: there are more.
    """
    found = list(within(data, *path))
    if len(found) > 1:
        raise ValueError(f"there are two boxes {path[-1]!r}")
    return found[0] if found else None


def needed(data: memoryview, *path: bytes) -> memoryview:
    """Likewise, and there is one.

    Raises:
        ValueError: there is none, or more.
    """
    found = only(data, *path)
    if found is None:
        raise ValueError(f"there is no box {path[-1]!r}")
    return found


def items(file: memoryview) -> tuple[int, dict[int, Item]]:
    """Id of the item that is shown, and all items by id; 0 and none for a mere film.

    Raises:
        ValueError: a structure that no usual encoder writes.
    """
    meta = only(file, b"meta")
    if meta is None:
        return 0, {}
    body = meta[4:]
    found: dict[int, Item] = {}
    _read_kinds(needed(body, b"iinf"), found)
    _read_data(needed(body, b"iloc"), file, only(body, b"idat") or memoryview(b""), found)
    _read_sizes(needed(body, b"iprp"), found)
    references = only(body, b"iref")
    if references is not None:
        _read_parts(references, found)
    primary = needed(body, b"pitm")
    return Reader(primary[4:]).take(4 if primary[0] else 2), found


def _few(count: int) -> int:
    if count > MOST_ENTRIES:
        raise ValueError("a box has more entries than anybody writes")
    return count


def _read_kinds(iinf: memoryview, found: dict[int, Item]) -> None:
    for infe in within(iinf[8 if iinf[0] else 6 :], b"infe"):
        wide = 4 if infe[0] > 2 else 2
        kind = bytes(infe[6 + wide : 10 + wide])
        if found.setdefault(Reader(infe[4:]).take(wide), Item(kind)).kind != kind:
            raise ValueError("an item is of two kinds")


def _read_data(
    iloc: memoryview, file: memoryview, idat: memoryview, found: dict[int, Item]
) -> None:
    """Extents outside the file are cut, as a short file's are."""
    version, sizes = iloc[0], Reader(iloc[4:])
    wide = 4 if version > 1 else 2
    packed = sizes.take(2)
    offset_size, length_size, base_size = packed >> 12, packed >> 8 & 15, packed >> 4 & 15
    index_size = packed & 15 if version else 0
    left, extents = MORE_THAN_THE_FILE * len(file), 0
    for _ in range(_few(sizes.take(wide))):
        item = found.setdefault(sizes.take(wide), Item())
        method = sizes.take(2) & 15 if version else 0
        if method > 1 or item.data:
            raise ValueError("an item lies in another one, or in two places")
        sizes.take(2)
        base = sizes.take(base_size)
        extents += (count := sizes.take(2))
        _few(extents)
        for _ in range(count):
            sizes.take(index_size)
            start = base + sizes.take(offset_size)
            length = sizes.take(length_size)
            data = (file, idat)[method][start : start + length if length else None]
            left -= len(data)
            if left < 0:
                raise ValueError("the items are larger than the file")
            item.data += data


def _read_sizes(iprp: memoryview, found: dict[int, Item]) -> None:
    """Of several sizes of an item, the largest."""
    sizes = []
    for kind, body in children(needed(iprp, b"ipco")):
        size = Reader(body[4:])
        sizes.append(size.take(4) * size.take(4) if kind == b"ispe" else 0)
    entries = 0
    for ipma in within(iprp, b"ipma"):
        uses = Reader(ipma[4:])
        mask, index_size = (0x7FFF, 2) if ipma[3] & 1 else (0x7F, 1)
        for _ in range(_few(uses.take(4))):
            item = found.setdefault(uses.take(4 if ipma[0] else 2), Item())
            entries += 1 + (count := uses.take(1))
            _few(entries)
            for _ in range(count):
                index = uses.take(index_size) & mask
                if 0 < index <= len(sizes):
                    item.claimed_px = max(item.claimed_px, sizes[index - 1])


def _read_parts(iref: memoryview, found: dict[int, Item]) -> None:
    """An auxiliary picture, such as alpha, is a part of the one it belongs to."""
    wide, references = 4 if iref[0] else 2, 0
    for kind, body in children(iref[4:]):
        reference = Reader(body)
        source = reference.take(wide)
        references += (count := reference.take(2))
        _few(references)
        for _ in range(count):
            target = reference.take(wide)
            if kind == b"dimg":
                found.setdefault(source, Item()).parts.append(target)
            elif kind == b"auxl":
                found.setdefault(target, Item()).parts.append(source)
