"""Household objects as triangles with textures, read out of MuJoCo's models."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
TEXTURE_PX = 1024
OPAQUE = 0.5


@dataclass(frozen=True)
class Mesh:
    """Part of an object; each triangle has corners of its own.

    Attributes:
        corners: float32 (faces, 3, 3), in units of the model.
        texture_at: float32 (faces, 3, 2), from the texture's top left, 0 to 1.
        texture: float32 (height, width, 3), 0 to 1; one pixel where the part has one colour.
    """

    corners: Floats
    texture_at: Floats
    texture: Floats


def read(model: Path) -> list[Mesh]:
    """The opaque parts of a model that are seen, not those that only collide."""
    root = ElementTree.parse(model).getroot()
    named = {(tag.tag, tag.get("name")): tag for tag in root.iter()}
    return list(_parts(model.parent, root, named))


def _parts(
    folder: Path,
    root: ElementTree.Element,
    named: dict[tuple[str, str | None], ElementTree.Element],
) -> Iterator[Mesh]:
    seen = set()
    for geom in root.iter("geom"):
        if geom.get("type") != "mesh" or geom.get("mesh") in seen:
            continue
        seen.add(geom.get("mesh"))
        mesh = named["mesh", geom.get("mesh")]
        material = named.get(("material", geom.get("material")), ElementTree.Element("none"))
        texture = named.get(("texture", material.get("texture")))
        colour = _numbers(material.get("rgba") or geom.get("rgba") or "0.6 0.6 0.6 1")
        if colour[3] < OPAQUE:
            continue
        corners, texture_at = _read_msh(folder / str(mesh.get("file")))
        pixels = np.float32(colour[:3])[None, None]
        if texture is not None:
            pixels = _read_texture(folder / str(texture.get("file")))
        yield Mesh(corners * _numbers(mesh.get("scale") or "1 1 1"), texture_at, pixels)


def _numbers(text: str) -> Floats:
    return np.array(text.split(), np.float32)


def _read_msh(file: Path) -> tuple[Floats, Floats]:
    """MuJoCo's own format: counts of vertices, normals, texture places, faces, then each."""
    data = file.read_bytes()
    vertices, normals, places, faces = struct.unpack("4i", data[:16])
    floats = np.frombuffer(data, np.float32, 3 * (vertices + normals) + 2 * places, 16)
    corners = floats[: 3 * vertices].reshape(-1, 3)
    texture_at = floats[3 * (vertices + normals) :].reshape(-1, 2)
    indices = np.frombuffer(data, np.int32, 3 * faces, 16 + floats.nbytes).reshape(-1, 3)
    return corners[indices], texture_at[indices]


def _read_texture(file: Path) -> Floats:
    with Image.open(file) as image:
        image = image.convert("RGB")
        image.thumbnail((TEXTURE_PX, TEXTURE_PX), Image.Resampling.BOX)
        return np.asarray(image, np.float32) / 255
