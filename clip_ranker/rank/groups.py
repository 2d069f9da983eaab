"""Listings that show the same picture, told by their fingerprints. Pure functions.

A wrong group hides a listing, a copy that is missed costs little: what is not most likely a copy is
none. The numbers were found on photographs, drawn things and captions, see docs/api.md. Vectors do
not tell: those of mirror images are nearer (0.995 by cosine) than those of copies at half the size
(0.87).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_ranker.decode.fingerprint import CHROMA_PX, DIGEST_BYTES, LUMA_PX, SIZE

LUMA_CELLS = LUMA_PX**2
MOST_APART = 2
"""Grey levels by which a cell of a copy may differ, for rounding."""
LUMA_PART, CHROMA_PART = 32, 10
"""And by this part of the contrast around it, for another size."""
CONTRAST = 16
"""Grey levels between a cell and those around it, for it to show something."""
LEAST_SHOWN = 0.1
"""Of the cells. What shows less, a small or pale thing, has no copies but the same pixels: another
small thing differs from it by no more than it does itself, saved again."""
LEAST_CHANGED = 0.05
"""Of the cells that show something. Saving again changes more of them, another figure less."""
COARSE_PX = 4
COARSE_APART = 6
MOST_COMPARED = 8
"""Pictures, those nearest at 4 by 4 pixels: bounds the work."""
CHUNK = 64
REMEMBERED_LISTS, REMEMBERED_PICTURES = 16, 200
"""Lists whose groups are remembered, and pictures in them: 0.6 MB each at most. They are asked for
again with another photo, and comparing fifty takes about as long as all else for a known list."""


class _Prints(NamedTuple):
    """Of some pictures; a row each."""

    sizes: NDArray[np.int64]
    cells: NDArray[np.uint8]
    tolerances: NDArray[np.uint8]
    shown: NDArray[np.int64]
    coarse: NDArray[np.int16]


def same_pictures(fingerprints: Mapping[int, bytes]) -> dict[int, int]:
    """Groups each candidate with the first one whose picture it shows; there are no chains.

    Args:
        fingerprints: by position of the candidate.

    Returns:
        The first position in the group of each position, its own where it is alone.
    """
    first_with: dict[bytes, int] = {}
    for position in sorted(fingerprints):
        first_with.setdefault(fingerprints[position], position)
    different = tuple(first_with)
    known = len(different) <= REMEMBERED_PICTURES
    firsts = _firsts_of(different) if known else _firsts(_prints(different))
    group = {different[n]: first_with[different[first]] for n, first in enumerate(firsts)}
    return {position: group[fingerprints[position]] for position in sorted(fingerprints)}


@lru_cache(REMEMBERED_LISTS)
def _firsts_of(fingerprints: tuple[bytes, ...]) -> tuple[int, ...]:
    return tuple(_firsts(_prints(fingerprints)))


def _firsts(prints: _Prints) -> list[int]:
    """Row of the first picture that each is a copy of, its own if there is none."""
    found: list[int] = []
    firsts = np.empty(len(prints.shown), np.int64)
    coarse = np.empty_like(prints.coarse)
    count = 0
    for row, shown in enumerate((prints.shown >= LEAST_SHOWN * LUMA_CELLS).tolist()):
        found.append(row)
        if not shown:
            continue
        apart = np.abs(coarse[:count] - prints.coarse[row]).max(axis=1, initial=0)
        near = np.flatnonzero(apart <= COARSE_APART)
        near = np.sort(near[apart[near].argsort(kind="stable")[:MOST_COMPARED]])
        if len(same := firsts[near][_same(prints, firsts[near], row)]):
            found[row] = int(same[0])
        else:
            firsts[count], coarse[count] = row, prints.coarse[row]
            count += 1
    return found


def _same(prints: _Prints, rows: NDArray[np.int64], row: int) -> NDArray[np.bool_]:
    """Which of some pictures one is a copy of, saved again or at another size."""
    width, height = prints.sizes[row]
    sizes = prints.sizes[rows]
    # Of one shape: sides are rounded to whole pixels.
    most = np.maximum(sizes.max(axis=1), max(width, height))
    same: NDArray[np.bool_] = np.abs(sizes[:, 0] * height - sizes[:, 1] * width) <= most
    rows, cells = rows[same], prints.cells[row]
    apart = np.maximum(prints.cells[rows], cells) - np.minimum(prints.cells[rows], cells)
    near = apart <= np.minimum(prints.tolerances[rows], prints.tolerances[row])
    changed = (apart[:, :LUMA_CELLS] > 0).sum(axis=1)
    much = changed >= LEAST_CHANGED * np.maximum(prints.shown[rows], prints.shown[row])
    same[same] = near.all(axis=1) & much
    return same


def _prints(fingerprints: Sequence[bytes]) -> _Prints:
    count = len(fingerprints)
    rows = np.frombuffer(b"".join(fingerprints), np.uint8)
    rows = rows.reshape(count, -1) if count else np.empty((0, 0), np.uint8)
    cells = rows[:, DIGEST_BYTES + SIZE.size :]
    sizes = np.array([SIZE.unpack_from(one, DIGEST_BYTES) for one in fingerprints], np.int64)
    tolerances = np.empty_like(cells)
    shown = np.empty(count, np.int64)
    coarse = np.empty((count, COARSE_PX**2), np.int16)
    for at in range(0, count, CHUNK):
        part = slice(at, at + CHUNK)
        luma = cells[part, :LUMA_CELLS].reshape(-1, LUMA_PX, LUMA_PX)
        contrast = _contrast(luma).reshape(-1, LUMA_CELLS)
        shown[part] = (contrast >= CONTRAST).sum(axis=1)
        tolerances[part, :LUMA_CELLS] = MOST_APART + contrast // LUMA_PART
        chroma = _contrast(cells[part, LUMA_CELLS:].reshape(-1, 2, CHROMA_PX, CHROMA_PX))
        chroma = chroma.reshape(-1, 2 * CHROMA_PX**2)
        tolerances[part, LUMA_CELLS:] = MOST_APART + chroma // CHROMA_PART
        blocks = luma.reshape(-1, COARSE_PX, LUMA_PX // COARSE_PX, COARSE_PX, LUMA_PX // COARSE_PX)
        coarse[part] = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(-1, COARSE_PX**2)
    return _Prints(sizes, cells, tolerances, shown, coarse)


def _contrast(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Largest less smallest of the nine cells around each, shape (..., height, width)."""
    padded = np.pad(cells, [(0, 0)] * (cells.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows = padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :]
    high, low = np.maximum.reduce(rows), np.minimum.reduce(rows)
    high = np.maximum.reduce((high[..., :-2], high[..., 1:-1], high[..., 2:]))
    low = np.minimum.reduce((low[..., :-2], low[..., 1:-1], low[..., 2:]))
    difference: NDArray[np.uint8] = high - low
    return difference
