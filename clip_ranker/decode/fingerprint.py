"""A small print of a picture, to tell copies of it by. Pure functions."""

from PIL import Image

from clip_ranker.models.preprocess import Pixels

SIDE_PX = 12
FINGERPRINT_BYTES = SIDE_PX * SIDE_PX * 3


def fingerprint(pixels: Pixels) -> bytes:
    """The picture at 12 by 12 pixels: of copies of one they differ by little, see ``rank/groups``.

    Made of what the model sees, as that is small already: 0.1 ms on a busy core, while the whole
    picture takes 4.

    Args:
        pixels: uint8 (height, width, 3).

    Returns:
        uint8 (12, 12, 3), as bytes.
    """
    image = Image.fromarray(pixels)
    # Twice the side before the last step takes a sixth of the time and loses nothing.
    small = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2)
    return small.tobytes()
