"""What may be tried: views of a picture, and settings that combine them. Pure functions.

A *view* makes a model's pixels of a picture; a *setting* says which views of the photo and of a
listing count, and how. To try something new, add a view, a setting or both here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_ranker.decode.geometry import to_pixels
from clip_ranker.decode.images import Picture
from clip_ranker.models.preprocess import Pixels, Preprocess

View = Callable[[Picture, Preprocess], Pixels]
"""Of an upright picture, fitted into ``image_resize`` as the service does."""
RECIPE = 1
"""Raised when a view makes other pixels than before: it goes into the keys of kept vectors."""


def centre(picture: Picture, preprocess: Preprocess) -> Pixels:
    """As the service does it."""
    return to_pixels(picture.image, preprocess, picture.to_srgb)


def pad(picture: Picture, preprocess: Preprocess) -> Pixels:
    """The whole picture, padded with the mean of the model's normalisation."""
    whole = replace(preprocess, resize_mode="longest", fill=preprocess.grey)
    return to_pixels(picture.image, whole, picture.to_srgb)


def crop(part: float) -> View:
    """The central square, its side this part of the picture's shorter one."""

    def cut(picture: Picture, preprocess: Preprocess) -> Pixels:
        width, height = picture.image.size
        side = max(1, round(part * min(width, height)))
        left, top = (width - side) // 2, (height - side) // 2
        square = picture.image.crop((left, top, left + side, top + side))
        return to_pixels(square, preprocess, picture.to_srgb)

    return cut


def tight(picture: Picture, preprocess: Preprocess) -> Pixels:
    """The object alone, as far as a classical method finds it, padded."""
    from clip_ranker.evaluate.salient import salient_box  # scikit-image takes a second

    image, to_srgb = picture
    small = image.copy()
    small.thumbnail((160, 160))
    left, top, right, bottom = salient_box(to_srgb(small) if to_srgb else small)
    width, height = image.size
    box = (int(left * width), int(top * height), round(right * width), round(bottom * height))
    return pad(Picture(image.crop(box), to_srgb), preprocess)


def turned(quarters: int) -> View:
    """Turned by so many quarters, for a photo without EXIF."""
    turn = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)

    def around(picture: Picture, preprocess: Preprocess) -> Pixels:
        return centre(
            Picture(picture.image.transpose(turn[quarters - 1]), picture.to_srgb), preprocess
        )

    return around


VIEWS: Mapping[str, View] = {
    "centre": centre,
    "pad": pad,
    "crop.875": crop(0.875),
    "crop.62": crop(0.62),
    "tight": tight,
    "turned-1": turned(1),
    "turned-2": turned(2),
    "turned-3": turned(3),
}


@dataclass(frozen=True)
class Setting:
    """One way from photo and listing to a score.

    Attributes:
        about: for people.
        photo, listing: names of the views that count.
        views: of the photo, whether vectors are summed or the best score counts; a listing's are
            always summed.
        photos: of one item, what counts where there are several; None is each for itself.
        title_weight: how much titles and words beside the pictures count, 0 to 1.
        moved: of ``MOVES``, how texts are made comparable with pictures.
    """

    about: str
    photo: tuple[str, ...] = ("centre",)
    listing: tuple[str, ...] = ("centre",)
    views: Literal["sum", "best"] = "sum"
    photos: Literal["mean", "best"] | None = None
    title_weight: float = 0
    moved: str = "spread"

    def scores(
        self, photos: NDArray[np.float32], listings: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosine similarities of each listing with several photos of an item, or one: (listings,).

        Args:
            photos: vectors of each photo's views, (photos, views, dim).
            listings: of unit length, (listings, dim).
        """
        if self.views == "sum":
            photos = summed(photos)[:, None]
        by_view: NDArray[np.float32] = np.clip(photos @ listings.T, -1, 1)
        by_photo = by_view.max(axis=1)
        scores: NDArray[np.float32] = (
            by_photo.mean(axis=0) if self.photos == "mean" else by_photo.max(axis=0)
        )
        return scores


def summed(views: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, views, dim) to (n, dim) of unit length."""
    total = views.sum(axis=1)
    unit: NDArray[np.float32] = total / np.linalg.norm(total, axis=1, keepdims=True)
    return unit


SERVED = "centre"
"""The setting that is the service's own."""
THREE = ("crop.875", "crop.62", "pad")
SETTINGS: Mapping[str, Setting] = {
    SERVED: Setting("as the service does it: one centre crop"),
    "pad": Setting("photo and listings padded to a square", ("pad",), ("pad",)),
    "pad-photo": Setting("the photo padded to a square", ("pad",)),
    "photo-views": Setting("three views of the photo, vectors summed", THREE),
    "all-views": Setting("three views of photo and listings, vectors summed", THREE, THREE),
    "turned": Setting(
        "the photo in four directions, the best score counts",
        ("centre", "turned-1", "turned-2", "turned-3"),
        views="best",
    ),
    "tight": Setting("the photo cut to its object", ("tight",)),
    "centre-tight": Setting("the photo whole and cut to its object, summed", ("centre", "tight")),
    "mean": Setting("all photos of an item, mean of the scores", photos="mean"),
    "best": Setting("all photos of an item, best of the scores", photos="best"),
    "titles": Setting("titles and words count as by default, if any are there", title_weight=0.5),
    "titles-less": Setting("they count less", title_weight=0.25),
    "titles-more": Setting("they count more", title_weight=0.75),
    "titles-alone": Setting("where there is a title, it alone counts", title_weight=1),
    "titles-range": Setting("moved by least and greatest", title_weight=0.5, moved="range"),
    "titles-ranks": Setting("moved by rank", title_weight=0.5, moved="ranks"),
}
