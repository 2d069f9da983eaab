"""Real photographs, as files: what scikit-image and scikit-learn ship, in full size."""

import io
from pathlib import Path

import pillow_heif
import skimage.data
import sklearn.datasets
from PIL import Image

pillow_heif.register_heif_opener()  # with it comes the encoder

_SKIMAGE = Path(skimage.data.__file__).parent
_SKLEARN = Path(sklearn.datasets.__file__).parent / "images"
_FILES = {
    "astronaut": _SKIMAGE / "astronaut.png",
    "brick": _SKIMAGE / "brick.png",
    "camera": _SKIMAGE / "camera.png",
    "cat": _SKIMAGE / "chelsea.png",
    "china": _SKLEARN / "china.jpg",
    "coffee": _SKIMAGE / "coffee.png",
    "coins": _SKIMAGE / "coins.png",
    "flower": _SKLEARN / "flower.jpg",
    "galaxies": _SKIMAGE / "hubble_deep_field.jpg",
    "grass": _SKIMAGE / "grass.png",
    "gravel": _SKIMAGE / "gravel.png",
    "moon": _SKIMAGE / "moon.png",
    "motorcycle": _SKIMAGE / "motorcycle_left.png",
    "retina": _SKIMAGE / "retina.jpg",
    "rocket": _SKIMAGE / "rocket.jpg",
}
PHOTOS = {name: path.read_bytes() for name, path in _FILES.items()}
# It is in Adobe RGB, which open_clip's transform takes for sRGB: without its profile both agree.
_at = PHOTOS["rocket"].index(b"\xff\xe2")
_length = int.from_bytes(PHOTOS["rocket"][_at + 2 : _at + 4])
PHOTOS["rocket"] = PHOTOS["rocket"][:_at] + PHOTOS["rocket"][_at + 2 + _length :]


def picture(name: str) -> Image.Image:
    """The photograph, RGB."""
    return Image.open(io.BytesIO(PHOTOS[name])).convert("RGB")


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
