"""A small renderer: triangles with textures, seen from a side, in numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.datasets.meshes import Floats, Mesh

SMOOTHING = 2
DISTANCE = 3.5  # of the camera, in radii of the object
FILLS = 0.85  # of the picture, by the object's diameter
AT_ONCE = 4_000_000  # pixels that are looked at together


@dataclass(frozen=True)
class Seen:
    """What a camera sees of an object, before colour and light.

    Attributes:
        pixels: int (n,), of the picture, row by row, where the object is.
        faces: int (n,), which triangle is there.
        weights: float32 (n, 3), of the triangle's corners there.
        normals: float32 (n, 3), towards the camera.
    """

    side_px: int
    pixels: NDArray[np.intp]
    faces: NDArray[np.intp]
    weights: Floats
    normals: Floats


def look(parts: Sequence[Mesh], turn: float, height: float, side_px: int) -> Seen:
    """Looks at an object, z up, from a side.

    Args:
        turn, height: of the camera around the object and above its equator, in degrees.
    """
    corners = np.concatenate([part.corners for part in parts]).astype(np.float64)
    low, high = corners.min((0, 1)), corners.max((0, 1))
    centred = (corners - (low + high) / 2) / (np.linalg.norm(high - low) / 2)
    around, up = np.deg2rad((turn, height))
    right = np.array((-np.sin(around), np.cos(around), 0))
    towards = np.array((np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)))
    axes = np.stack((right, np.cross(towards, right), towards))
    turned = centred @ axes.T
    nearness = 1 / (DISTANCE - turned[..., 2])
    size = side_px * SMOOTHING
    scale = size * FILLS * DISTANCE / 2
    flat = turned[..., :2] * (scale, -scale) * nearness[..., None] + size / 2
    pixels, faces, weights = _nearest(flat, nearness, size)
    sides = turned[faces]
    normals = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    return Seen(side_px, pixels, faces, weights.astype(np.float32), normals.astype(np.float32))


def shade(seen: Seen, parts: Sequence[Mesh], light: Floats, ambient: float) -> Image.Image:
    """The object alone, RGBA; ``light`` points to the lamp, as the camera sees it."""
    colours = np.empty((len(seen.faces), 3), np.float32)
    first = 0
    for part in parts:
        here = (seen.faces >= first) & (seen.faces < first + len(part.corners))
        places = part.texture_at[seen.faces[here] - first]
        at = (places * seen.weights[here][..., None]).sum(1) % 1
        rows, columns = part.texture.shape[:2]
        y = (at[:, 1] * rows).astype(int).clip(0, rows - 1)
        x = (at[:, 0] * columns).astype(int).clip(0, columns - 1)
        colours[here] = part.texture[y, x]
        first += len(part.corners)
    lit = ambient + (1 - ambient) * (seen.normals @ (light / np.linalg.norm(light))).clip(0)
    size = seen.side_px * SMOOTHING
    picture = np.zeros((size * size, 4), np.uint8)
    picture[seen.pixels, :3] = (colours * lit[:, None] * 255).clip(0, 255)
    picture[seen.pixels, 3] = 255
    whole = Image.fromarray(picture.reshape(size, size, 4))
    return whole.resize((seen.side_px, seen.side_px), Image.Resampling.BOX)


def _nearest(
    flat: NDArray[np.float64], nearness: NDArray[np.float64], size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Of each pixel that a triangle covers: the nearest triangle, and the weights of its corners.

    1/z is linear on the screen, so it serves as depth and makes the weights those of the object.
    """
    pieces = list(_fragments(flat, nearness, size))
    pixels, faces, near = (np.concatenate([piece[i] for piece in pieces]) for i in range(3))
    order = np.argsort(near, kind="stable")
    winner = np.full(size * size, -1)
    winner[pixels[order]] = faces[order]  # of equal pixels the last one stays
    pixels = np.flatnonzero(winner >= 0)
    faces = winner[pixels]
    weights = _weights(flat[faces], np.stack((pixels % size, pixels // size), 1) + 0.5)
    weights *= nearness[faces]
    return pixels, faces, weights / weights.sum(1, keepdims=True)


def _fragments(
    flat: NDArray[np.float64], nearness: NDArray[np.float64], size: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]]:
    """Pixels that triangles cover, triangles of about one size together."""
    low = np.floor(flat.min(1)).astype(int)
    extent = (np.ceil(flat.max(1)).astype(int) - low).max(1)
    for power in range(1, size.bit_length() + 1):
        side = 2**power
        of_size = np.flatnonzero((extent <= side) & (extent > side // 2 if power > 1 else True))
        grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(1, -1, 2)
        for start in range(0, len(of_size), step := max(1, AT_ONCE // side**2)):
            some = of_size[start : start + step]
            at = low[some, None] + grid
            weights = _weights(flat[some, None], at + 0.5)
            hit = (weights >= 0).all(-1) & ((at >= 0) & (at < size)).all(-1)
            which, _ = np.nonzero(hit)
            near = (weights[hit] * nearness[some][which]).sum(1).astype(np.float32)
            yield at[hit] @ (1, size), some[which], near


def _weights(triangles: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Barycentric (…, 3) of points (…, 2) in triangles (…, 3, 2); negative outside."""
    a, b, c = (triangles[..., i, :] for i in range(3))
    area = _cross(b - a, c - a)
    area = np.where(area == 0, np.nan, area)
    second, third = _cross(at - a, c - a) / area, _cross(b - a, at - a) / area
    return np.stack((1 - second - third, second, third), -1)


def _cross(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    return one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]
