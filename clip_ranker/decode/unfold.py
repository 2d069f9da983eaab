"""How many pixels decoding a HEIC or AVIF file goes through.

The size that a file claims binds nobody. The picture may be a grid of tiles or a canvas with layers
(ISO/IEC 23008-12), which are pictures of that kind again: 700 bytes that claim 64x64 took libheif
2.6 GB, and 1.4 KB of grids within grids keep it busy for as long as their author likes. Inside an
AVIF file the AV1 stream has yet another size; libavif decodes whatever that is and scales it to the
claim.
"""

from dataclasses import dataclass

from clip_ranker.decode import av1, boxes
from clip_ranker.decode.boxes import Item, Reader

MOST_LEVELS = 8
"""Of pictures within pictures; phones use two."""
MOST_TRACKS = 8
"""A film has one, one more for its alpha, and perhaps sound."""


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
    budget = av1.Budget()

    def visit(number: int, level: int) -> Unfolded:
        if level > MOST_LEVELS or number not in items:
            raise ValueError("a picture is made of itself, or of nothing")
        if number not in known:
            item = items[number]
            parts = [visit(part, level + 1) for part in item.parts]
            own = _own_px(item, budget)
            known[number] = Unfolded(
                max([own, *(part.largest_px for part in parts)]),
                own + sum(part.total_px for part in parts),
            )
        return known[number]

    found = [visit(primary, 0)] if primary else []
    for sample in _first_samples(file):
        px = av1.pixels(sample, budget)
        found.append(Unfolded(px, px))
    if not found:
        raise ValueError("there is no picture")
    return Unfolded(max(one.largest_px for one in found), sum(one.total_px for one in found))


def _own_px(item: Item, budget: av1.Budget) -> int:
    if item.kind == b"hvc1":
        return item.claimed_px  # libheif decodes no other size
    if item.kind == b"av01":
        return max(item.claimed_px, av1.pixels(memoryview(item.data), budget))
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
    """Of every track that libavif reads, the first picture: an AVIF file may be a film.

    HEIC files have tracks too, of phones that take bursts; libheif leaves them alone.
    """
    moov = boxes.only(file, b"moov")
    tracks = [] if moov is None else list(boxes.within(moov, b"trak"))
    if len(tracks) > MOST_TRACKS:
        raise ValueError("a box has more tracks than anybody writes")
    tables = [boxes.only(track, b"mdia", b"minf", b"stbl") for track in tracks]
    return [_first_sample(file, table) for table in tables if table and _is_av1(table)]


def _is_av1(table: memoryview) -> bool:
    kinds = boxes.only(table, b"stsd")
    return kinds is not None and any(kind == b"av01" for kind, _ in boxes.children(kinds[8:]))


def _first_sample(file: memoryview, table: memoryview) -> memoryview:
    sizes = boxes.needed(table, b"stsz")
    near, far = boxes.only(table, b"stco"), boxes.only(table, b"co64")
    places = near or far
    if not places or (near and far):
        raise ValueError("a box has its pictures in no place, or in two")
    offset = Reader(places[8:]).take(4 if near else 8)
    return file[offset : offset + max(_word(sizes, 1), _word(sizes, 3))]


def _word(body: memoryview, number: int) -> int:
    return int.from_bytes(body[4 * number : 4 * number + 4])
