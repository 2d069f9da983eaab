"""ICC profiles byte by byte, with published colorants, and the arithmetic to check them by."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
# Columns are red, green and blue in XYZ, adapted to D50 (brucelindbloom.com; Apple's profile).
SRGB = np.array(
    [[0.43607, 0.38506, 0.14308], [0.2225, 0.71688, 0.06062], [0.01393, 0.0971, 0.71417]]
)
ADOBE = np.array(
    [[0.60976, 0.20524, 0.14922], [0.31112, 0.62566, 0.06322], [0.01948, 0.06089, 0.74484]]
)
PROPHOTO = np.array([[0.79767, 0.13519, 0.03135], [0.28804, 0.71187, 0.00009], [0, 0, 0.82521]])
P3 = np.array(
    [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def rgb(matrix: np.ndarray, gamma: float) -> bytes:
    """A display's profile of version 2, with a curve that is a power."""
    tags = {b"wtpt": _xyz(D50)}
    for name, column in zip("rgb", matrix.T, strict=True):
        tags[f"{name}XYZ".encode()] = _xyz(column)
        tags[f"{name}TRC".encode()] = _power(gamma)
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey(gamma: float) -> bytes:
    """Of one channel."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(D50), b"kTRC": _power(gamma)})


def cmyk_of_other_inks() -> bytes:
    """A printer's, by a table of nine steps, in which cyan and yellow have changed places."""
    steps = np.linspace(0, 1, 9)
    inks = np.stack(np.meshgrid(*[steps] * 4, indexing="ij"), -1).reshape(-1, 4)
    colours = (1 - inks[:, [2, 1, 0]]) * (1 - inks[:, 3:])
    lab = _lab(linear(colours * 255) @ SRGB.T)
    scaled = np.clip(lab * (2.55, 1, 1) + (0, 128, 128), 0, 255).round().astype(np.uint8)
    ramp = bytes(range(256))
    unit = struct.pack(">9i", *(65536 * int(at % 4 == 0) for at in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 9, 0]) + unit + ramp * 4 + scaled.tobytes() + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": table})


def linear(values: np.ndarray) -> np.ndarray:
    """sRGB grey levels, 0 to 255, to light."""
    part = np.asarray(values, float) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def levels(light: np.ndarray) -> np.ndarray:
    """And back."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def stored(picture: np.ndarray, matrix: np.ndarray, gamma: float, top: int = 255) -> np.ndarray:
    """An sRGB picture in the numbers of another space, 0 to ``top``."""
    light = linear(picture) @ SRGB.T @ np.linalg.inv(matrix).T
    return (np.clip(light, 0, 1) ** (1 / gamma) * top).round()


def _lab(xyz: np.ndarray) -> np.ndarray:
    part = xyz / D50
    root = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def _xyz(numbers: tuple[float, ...] | np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * one) for one in numbers))


def _power(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(256 * gamma))


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(body))
        data += body
    size = 128 + len(table) + len(data)
    head = struct.pack(">II", size, 0) + b"\2\x40\0\0" + kind + space + connection
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(D50)[8:]
    return head.ljust(128, b"\0") + table + data
