"""Where the object on a plain ground is, by a classical method: what differs from the border.

Mahalanobis distance of each pixel's Lab colour from the colours along the border, and Otsu's
threshold on it: the "boundary prior" of salient object detection.
"""

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as parts of width and height."""
WHOLE: Box = (0, 0, 1, 1)
BORDER = 0.05
MARGIN = 0.04
LEAST = 0.2
"""Of a side: what is smaller is a speck, or a print on the object."""


def salient_box(image: Image.Image) -> Box:
    """Box of the largest thing that differs from the border, with a margin; else ``WHOLE``.

    Args:
        image: RGB, small: 160 pixels are enough.
    """
    if min(image.size) < 16:
        return WHOLE
    lab = rgb2lab(np.asarray(image))
    height, width = lab.shape[:2]
    rim = max(1, round(BORDER * min(width, height)))
    inner = np.zeros((height, width), bool)
    inner[rim:-rim, rim:-rim] = True
    ground = lab[~inner]
    # A regularised inverse: a border of one colour has no spread.
    inverse = np.linalg.inv(np.cov(ground.T) + 4 * np.eye(3))
    away = lab - np.median(ground, axis=0)
    distance = np.sqrt(np.einsum("hwi,ij,hwj->hw", away, inverse, away))
    distance = ndimage.gaussian_filter(distance, max(width, height) / 60)
    labels, count = ndimage.label(distance > threshold_otsu(distance))  # type: ignore[no-untyped-call]
    if not count:
        return WHOLE
    sizes = np.bincount(labels.ravel())[1:]
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax())]
    box = (
        max(0.0, columns.start / width - MARGIN),
        max(0.0, rows.start / height - MARGIN),
        min(1.0, columns.stop / width + MARGIN),
        min(1.0, rows.stop / height + MARGIN),
    )
    return box if min(box[2] - box[0], box[3] - box[1]) >= LEAST else WHOLE
