"""Three views cut out of one padded picture, inside the graph: the whole, its middle, and closer.

Each is embedded, and the sum of their unit vectors is scaled to unit length. docs/evaluation.md has
what that is worth.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from open_clip.transform import image_transform
from PIL import Image
from torch import Tensor, nn

from clip_ranker.models.preprocess import Preprocess

if TYPE_CHECKING:
    from clip_ranker.importing.sources import Source

PARTS = (1.0, 0.875, 0.62)
"""Of the padded picture's side, of each view."""
FINE = 0.7
"""Part of the padded picture's side that has as many pixels as a view: 224 of 320."""


def of(view: "Source") -> "Source":
    """The same tower, over three views of each picture."""
    preprocess, size = padded(view.preprocess), (view.preprocess.height, view.preprocess.width)

    def encode(pictures: Tensor) -> Tensor:
        vectors = [view.encode(cut(pictures, part, size)) for part in PARTS]
        return nn.functional.normalize(torch.stack(vectors).sum(0), dim=-1)

    return replace(
        view,
        encode=encode,
        transform=transform(preprocess),
        preprocess=preprocess,
        description=f"{view.description}, three views",
        view=view,
    )


def transform(preprocess: Preprocess) -> Callable[[Image.Image], Tensor]:
    """OpenCLIP's own way to such pixels."""
    made: Callable[[Image.Image], Tensor] = image_transform(
        (preprocess.height, preprocess.width),
        is_train=False,
        mean=preprocess.mean,
        std=preprocess.std,
        interpolation=preprocess.interpolation,
        resize_mode=preprocess.resize_mode,
        fill_color=preprocess.fill,
    )
    return made


def padded(view: Preprocess) -> Preprocess:
    """The whole picture, for views that a tower takes so; its sides are even, so cuts are exact."""
    height, width = (round(side / FINE / 2) * 2 for side in (view.height, view.width))
    return replace(view, height=height, width=width, resize_mode="longest", fill=view.grey)


def cut(pictures: Tensor, part: float, size: tuple[int, int]) -> Tensor:
    """The middle of pictures (batch, channels, height, width), resized to a height and width."""
    height, width = sides = tuple(pictures.shape[-2:])
    rows, columns = (round(part * side / 2) * 2 for side in sides)
    if (rows, columns) == sides == size:
        return pictures
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = pictures[..., top : top + rows, left : left + columns]
    return nn.functional.interpolate(middle, size=size, mode="bilinear", align_corners=False)


class Summed(nn.Module):
    """Bytes to vectors of unit length, by a tower that takes views, as bytes or floats.

    All views are one batch: a product in the graph has weights of its own, so three calls of the
    tower would keep these three times.

    Args:
        tower: (batch, height, width, 3) to (batch, dim) of unit length.
        view: how it takes its pixels.
    """

    def __init__(self, tower: nn.Module, view: Preprocess) -> None:
        super().__init__()
        self.tower = tower
        self.size = view.height, view.width

    def forward(self, pixels: Tensor) -> Tensor:
        pictures = pixels.permute(0, 3, 1, 2).float()
        views = torch.cat([cut(pictures, part, self.size) for part in PARTS])
        vectors = self.tower(views.permute(0, 2, 3, 1))
        return nn.functional.normalize(vectors.unflatten(0, (len(PARTS), -1)).sum(0), dim=-1)
