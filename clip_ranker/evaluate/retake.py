"""A photograph as a phone would take it again: pure functions of picture, strength and seed."""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Strength = Literal["light", "middle", "hard"]


@dataclass(frozen=True)
class Limits:
    """The most that a strength does; what is done lies between, by the seed.

    Attributes:
        crop: cut off along all sides together, as a part of each length.
        perspective: shift of each corner, as a part of each length.
        turn: degrees either way.
        light: brightness, as a factor and its inverse; colour by half of that.
        tint: of the channels against each other, as a factor and its inverse.
        blur: radius of the Gaussian, as a part of the longest side.
        noise: standard deviation, in grey levels.
        quality: of the JPEG file, least.
        hidden: area behind something in front, as a part of the picture.
    """

    crop: float
    perspective: float
    turn: float
    light: float
    tint: float
    blur: float
    noise: float
    quality: int
    hidden: float


LIMITS: dict[Strength, Limits] = {
    "light": Limits(0.15, 0.02, 5, 1.25, 1.04, 0.002, 2, 60, 0),
    "middle": Limits(0.25, 0.06, 15, 1.5, 1.10, 0.005, 5, 40, 0),
    "hard": Limits(0.35, 0.10, 40, 1.9, 1.18, 0.009, 9, 22, 0.2),
}


def retake(image: Image.Image, strength: Strength, seed: int) -> Image.Image:
    """The same thing photographed again: RGB, of the same size; equal seeds give equal pictures."""
    limits = LIMITS[strength]
    random = np.random.default_rng([seed, list(LIMITS).index(strength)])
    image = _moved(image.convert("RGB"), limits, random)
    if limits.hidden:
        _hide_a_part(image, limits.hidden, random)
    image = _in_other_light(image, limits, random)
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, limits.blur) * max(image.size)))
    grey = np.asarray(image) + random.normal(0, limits.noise, (image.height, image.width, 3))
    return _as_jpeg(
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)),
        int(random.integers(limits.quality, limits.quality + 20)),
    )


def _moved(image: Image.Image, limits: Limits, random: np.random.Generator) -> Image.Image:
    """Closer, turned and from a corner; one colour where the picture ends."""
    size = np.array(image.size, float)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) - 0.5
    kept = 1 - random.uniform(limits.crop / 2, limits.crop)
    centre = 0.5 + random.uniform(-0.5, 0.5, 2) * (1 - kept)
    shifts = random.uniform(-limits.perspective, limits.perspective, (4, 2))
    angle = np.deg2rad(random.uniform(0.5, 1) * limits.turn * random.choice([-1, 1]))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    seen = (corners * kept + shifts) * size @ turn.T + centre * size
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        _projection((corners + 0.5) * size, seen).tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=_plain_colour(random),
    )


def _projection(to: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """The eight numbers of Pillow's ``PERSPECTIVE`` that map each point of ``to`` onto ``seen``.

    With x' = (ax + by + c) / (gx + hy + 1) and y' = (dx + ey + f) / (gx + hy + 1), four pairs of
    points make eight linear equations.
    """
    rows, wanted = [], []
    for (x, y), (x2, y2) in zip(to, seen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -x * x2, -y * x2], [0, 0, 0, x, y, 1, -x * y2, -y * y2]]
        wanted += [x2, y2]
    return np.linalg.solve(np.array(rows), np.array(wanted))


def _hide_a_part(image: Image.Image, part: float, random: np.random.Generator) -> None:
    """Something in front that comes in from a side, such as a finger: an ellipse, half outside."""
    width, height = image.size
    area = random.uniform(0.5, 1) * part * width * height
    # Half of an ellipse has π/2 times the product of its half-axes.
    stretch = random.uniform(0.6, 1.6)
    across = (area / (np.pi / 2) * stretch) ** 0.5
    along = across / stretch
    x, y = random.uniform(0.2, 0.8, 2) * (width, height)
    match int(random.integers(4)):
        case 0:
            x = 0
        case 1:
            x = width
        case 2:
            y = 0
        case _:
            y = height
    box = (x - across, y - along, x + across, y + along)
    ImageDraw.Draw(image).ellipse(box, fill=_plain_colour(random))


def _plain_colour(random: np.random.Generator) -> tuple[int, int, int]:
    """Of a table or a hand: near to grey."""
    red, green, blue = random.integers(40, 216) + random.integers(-25, 26, 3)
    return int(red), int(green), int(blue)


def _in_other_light(image: Image.Image, limits: Limits, random: np.random.Generator) -> Image.Image:
    light = limits.light ** random.uniform(-1, 1)
    colour = limits.light ** (random.uniform(-1, 1) / 2)
    image = ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(light)).enhance(colour)
    tint = limits.tint ** random.uniform(-1, 1, 3)
    return Image.fromarray(np.clip(np.asarray(image) * tint, 0, 255).astype(np.uint8))


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
