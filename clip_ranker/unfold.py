"""How many pixels decoding a HEIC or AVIF file goes through.

The size that a file claims binds nobody. The picture may be a grid of tiles or a canvas with layers
(ISO/IEC 23008-12), which are pictures of that kind again: 700 bytes that claim 64x64 took libheif
2.6 GB, and 1.4 KB of grids within grids keep it busy for as long as their author likes. Inside an
AVIF file the AV1 stream has yet another size; libavif decodes whatever that is and scales it to the
claim.
"""

from dataclasses import dataclass

from clip_ranker import av1, boxes
from clip_ranker.boxes import Item, Reader

MOST_LEVELS = 8
"""Of pictures within pictures; phones use two."""


@dataclass(frozen=True)
class Unfolded:
    """What decoding meets.

    Attributes:
        largest_px: of a single picture.
        total_px: of all of them, each as often as it is used.
    """

    largest_px: int
    total_px: int


def unfold(data: bytes) -> Unfolded:
    """Reads the boxes; decodes nothing.

    Raises:
        ValueError: a structure that no usual encoder writes.
    """
    file = memoryview(data)
    primary, items = boxes.items(file)
    known: dict[int, Unfolded] = {}

    def visit(number: int, level: int) -> Unfolded:
        if level > MOST_LEVELS or number not in items:
            raise ValueError("a picture is made of itself, or of nothing")
        if number not in known:
            item = items[number]
            parts = [visit(part, level + 1) for part in item.parts]
            own = _own_px(item)
            known[number] = Unfolded(
                max([own, *(part.largest_px for part in parts)]),
                own + sum(part.total_px for part in parts),
            )
        return known[number]

    found = [visit(primary, 0)] if primary else []
    found += [Unfolded(px, px) for px in map(av1.pixels, _first_samples(file))]
    if not found:
        raise ValueError("there is no picture")
    return Unfolded(max(one.largest_px for one in found), sum(one.total_px for one in found))


def _own_px(item: Item) -> int:
    if item.kind == b"hvc1":
        return item.claimed_px  # libheif decodes no other size
    if item.kind == b"av01":
        return max(item.claimed_px, av1.pixels(memoryview(item.data)))
    if item.kind == b"iden":
        return item.claimed_px
    if item.kind in (b"grid", b"iovl"):
        return max(item.claimed_px, _canvas_px(item))
    raise ValueError("a kind of picture that is not read")


def _canvas_px(item: Item) -> int:
    """Behind version and flags come rows and columns of a grid, or the colour of a canvas."""
    head = Reader(memoryview(item.data))
    head.take(1)
    wide = 4 if head.take(1) & 1 else 2
    head.take(2 if item.kind == b"grid" else 8)
    return head.take(wide) * head.take(wide)


def _first_samples(file: memoryview) -> list[memoryview]:
    """Of every track, the first picture; an AVIF file may be a film."""
    found = []
    for table in boxes.within(file, b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        sizes = [max(_word(body, 1), _word(body, 3)) for body in boxes.within(table, b"stsz")]
        for kind, wide in ((b"stco", 4), (b"co64", 8)):
            for body in boxes.within(table, kind):
                offset = Reader(body[8:]).take(wide)
                found.append(file[offset : offset + max(sizes, default=0)])
    return found


def _word(body: memoryview, number: int) -> int:
    return int.from_bytes(body[4 * number : 4 * number + 4])
