"""Draws the pictures of the example on /demo: ``python -m tests.browser.mugs``.

Eight mugs as eight sellers might photograph them, and one of them again as the photo of somebody
who looks for it: other side, other light, other table. Sphere tracing of signed distances.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_ranker.examples import MUGS as FOLDER

Array = NDArray[np.float32]
Colour = tuple[float, float, float]

SIDE_PX, SUPERSAMPLED = 320, 2
QUALITY = 85
HEIGHT, WALL = 1.1, 0.09
"""Half the height of a mug of radius 1, and its thickness."""
STEPS, FAR, HIT = 80, 16.0, 2e-3
INSIDE = 9.0
"""The height that a glaze is asked for inside the mug and on its handle."""


class Mug(NamedTuple):
    """A glaze, and where it is photographed from: degrees, and 1 for the usual distance."""

    glaze: Callable[[Array, Array], Array]
    turned: float
    from_above: float
    distance: float
    table: Colour
    light: tuple[float, float, float] = (-0.5, 0.9, 0.45)


def mixed(base: Colour, other: Colour, where: NDArray[np.bool_]) -> Array:
    """One colour, and another where it says."""
    return np.where(where[..., None], np.float32(other), np.float32(base)).astype(np.float32)


def stripes(base: Colour, other: Colour) -> Callable[[Array, Array], Array]:
    """Rings around the mug."""
    return lambda _, up: mixed(base, other, (np.abs(up) < 0.75) & (np.sin(up * 11) > 0.1))


def dots(base: Colour, other: Colour) -> Callable[[Array, Array], Array]:
    """Rows of dots, each row between those of the next."""

    def glaze(around: Array, up: Array) -> Array:
        row = np.floor(up / 0.42)
        x = (around / (np.pi / 6) + 0.5 * (row % 2)) % 1 - 0.5
        return mixed(base, other, (np.hypot(x * 0.52, up % 0.42 - 0.21) < 0.12) & (up < INSIDE))

    return glaze


def checks(base: Colour, other: Colour) -> Callable[[Array, Array], Array]:
    """A chessboard."""
    return lambda around, up: mixed(
        base,
        other,
        ((np.floor(around / (np.pi / 6)) + np.floor(up / 0.4)) % 2 == 0) & (up < INSIDE),
    )


def dipped(base: Colour, other: Colour) -> Callable[[Array, Array], Array]:
    """Two glazes that run into each other."""
    return lambda around, up: mixed(base, other, up > 0.15 + 0.13 * np.sin(around * 5))


def plain(base: Colour) -> Callable[[Array, Array], Array]:
    """One glaze."""
    return lambda _, up: mixed(base, base, up > INSIDE)


WHITE, CREAM, BLACK = (0.93, 0.93, 0.91), (0.92, 0.86, 0.72), (0.08, 0.08, 0.09)
BLUE, RED, GREEN = (0.10, 0.22, 0.55), (0.72, 0.10, 0.10), (0.10, 0.42, 0.25)
YELLOW, BROWN, SKY = (0.95, 0.76, 0.15), (0.42, 0.22, 0.12), (0.45, 0.68, 0.80)
OAK, SLATE, LINEN, PINE = (
    (0.55, 0.38, 0.22),
    (0.30, 0.32, 0.35),
    (0.78, 0.76, 0.72),
    (0.7, 0.5, 0.3),
)

MUGS = {
    "mug-1": Mug(stripes(WHITE, RED), 130, 24, 1.1, SLATE),
    "mug-2": Mug(dots(WHITE, BLUE), 120, 28, 1.05, LINEN),
    "mug-3": Mug(plain(BLUE), 75, 25, 1.1, LINEN),
    "mug-4": Mug(dipped(CREAM, BROWN), 100, 25, 1.0, SLATE),
    "mug-5": Mug(checks(YELLOW, BLACK), 45, 25, 0.95, LINEN),
    "mug-6": Mug(stripes(WHITE, BLUE), 75, 27, 1.0, LINEN),
    "mug-7": Mug(plain(BLACK), 90, 30, 1.0, PINE),
    "mug-8": Mug(dipped(WHITE, SKY), 50, 25, 1.1, PINE),
    "mug": Mug(stripes(WHITE, BLUE), 55, 34, 0.92, OAK, (0.6, 0.8, 0.2)),
}


def distance(at: Array) -> Array:
    """To the mug: a hollow cylinder, and half a torus for a handle; negative inside."""
    x, y, z = at[..., 0], at[..., 1], at[..., 2]
    around = np.hypot(x, z)
    outer = rounded(around - 1, np.abs(y) - HEIGHT)
    inner = np.maximum(around - 1 + WALL, -(y + HEIGHT - WALL))
    bend = np.hypot((np.hypot(x - 0.95, y * 0.9) - 0.62), z * 0.8) - 0.12
    handle = np.maximum(bend, 0.97 - around)
    return np.minimum(np.maximum(outer, -inner), handle * 0.8)


def rounded(across: Array, along: Array, radius: float = 0.06) -> Array:
    """Of two distances, that to the body that keeps within both, with a rounded edge."""
    outside = np.hypot(np.maximum(across + radius, 0), np.maximum(along + radius, 0))
    return np.minimum(np.maximum(across, along) + radius, 0) + outside - radius


def unit(vectors: Array) -> Array:
    """Of the same directions, length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def walked(start: Array, along: Array) -> tuple[Array, Array]:
    """How far each ray gets before it hits the mug, and how close it came for how far it was."""
    way = np.full(start.shape[:-1], 0.02, np.float32)
    closest = np.ones_like(way)
    for _ in range(STEPS):
        left = distance(start + way[..., None] * along)
        closest = np.minimum(closest, np.clip(8 * left / way, 0, 1))
        way = np.minimum(way + np.maximum(left, HIT / 4), FAR)
    return way, closest


def drawn(mug: Mug) -> Image.Image:
    """The picture, SIDE_PX square."""
    n = SIDE_PX * SUPERSAMPLED
    turned, above = np.radians(mug.turned), np.radians(mug.from_above)
    eye = np.float32(
        [np.cos(above) * np.cos(turned), np.sin(above), np.cos(above) * np.sin(turned)]
    )
    right = unit(np.cross(np.float32([0, 1, 0]), eye))
    down, across = np.meshgrid(np.linspace(1, -1, n), np.linspace(-1, 1, n), indexing="ij")
    rays = unit(
        across[..., None] * right + down[..., None] * np.cross(eye, right) - 2.6 * eye
    ).astype(np.float32)
    start = np.broadcast_to(eye * 5.2 * mug.distance, rays.shape).astype(np.float32)
    way, _ = walked(start, rays)
    table_way = np.where(rays[..., 1] < 0, (-HEIGHT - start[..., 1]) / rays[..., 1], FAR)
    is_mug = (way < FAR * 0.9) & (way < table_way)
    at = start + np.where(is_mug, way, table_way)[..., None] * rays
    small = np.float32(1e-3)
    slopes = [distance(at + small * axis) - distance(at - small * axis) for axis in np.eye(3)]
    normal = np.where(is_mug[..., None], unit(np.stack(slopes, -1) + 1e-9), np.float32([0, 1, 0]))
    light = unit(np.float32(mug.light))
    _, lit = walked((at + 0.02 * normal).astype(np.float32), np.broadcast_to(light, at.shape))
    inside = np.hypot(at[..., 0], at[..., 2]) < 1 - WALL / 2
    lit = np.where(is_mug & ~inside, 1, lit)  # nearly convex, and grazing light looks torn
    handle = np.hypot(at[..., 0], at[..., 2]) > 1.02
    around = np.arctan2(at[..., 2], at[..., 0]).astype(np.float32)
    glaze = mug.glaze(around, np.where(inside | handle, INSIDE, at[..., 1]).astype(np.float32))
    grain = np.random.default_rng(1).normal(size=(n, n, 1)).astype(np.float32)
    wood = 1 + 0.05 * np.sin(at[..., 0:1] * 3 + 2 * np.sin(at[..., 2:3] * 0.7)) + 0.015 * grain
    colour = np.where(is_mug[..., None], glaze, np.float32(mug.table) * wood)
    facing = np.clip(normal @ light, 0, 1) * lit
    shine = np.clip(np.sum(unit(light - rays) * normal, -1), 0, 1) ** 60 * is_mug * lit
    shaded = colour * (0.38 + 0.75 * facing)[..., None] + 0.35 * shine[..., None]
    fade = np.clip(1.1 - 0.03 * np.where(is_mug, 0, table_way - 4), 0.5, 1.1)
    pixels = np.clip(shaded * fade[..., None] + 0.006 * grain, 0, 1) ** (1 / 1.25)
    image = Image.fromarray((pixels * 255).astype(np.uint8))
    return image.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def main() -> None:
    """Writes all of them among the examples."""
    FOLDER.mkdir(exist_ok=True)
    for name, mug in MUGS.items():
        drawn(mug).save(FOLDER / f"{name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
