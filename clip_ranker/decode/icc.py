"""ICC profiles of what a file says in numbers: primaries and a transfer curve (ICC.1:2022)."""

import struct
from functools import lru_cache

import numpy as np

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue, as PNG's cHRM has them."""

D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
PRIMARIES: dict[int, Chromaticities] = {  # as in ITU-T H.273
    1: SRGB,
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
EXPONENTS = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
"""Of a transfer curve of H.273; None is sRGB's, which browsers take for a film's as well."""

D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def of_codes(primaries: int, transfer: int) -> bytes | None:
    """Profile of two code points of H.273; None for unknown ones, and for HDR."""
    if primaries not in PRIMARIES or transfer not in EXPONENTS:
        return None
    return of_numbers(PRIMARIES[primaries], EXPONENTS[transfer])


@lru_cache(64)
def of_numbers(chromaticities: Chromaticities, exponent: float | None) -> bytes | None:
    """Profile of an RGB space.

    Args:
        chromaticities: of white, red, green and blue.
        exponent: linear light is the value to this power; None is sRGB's curve.

    Returns:
        None if these are no chromaticities.
    """
    points = np.array(chromaticities, float).reshape(4, 2)
    if not (points > 0).all():
        return None
    white, *colours = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in points)
    try:
        matrix = np.column_stack(colours)
        matrix = matrix * np.linalg.solve(matrix, white)
    except np.linalg.LinAlgError:
        return None
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    matrix = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix
    if not np.abs(matrix).max() < 100:
        return None
    kind, numbers = (3, SRGB_CURVE) if exponent is None else (0, (exponent,))
    curve = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(*numbers)
    tags = [(b"wtpt", b"XYZ \0\0\0\0" + _fixed(*D50))]
    for name, column in zip((b"r", b"g", b"b"), matrix.T, strict=True):
        tags += [(name + b"XYZ", b"XYZ \0\0\0\0" + _fixed(*column)), (name + b"TRC", curve)]
    return _profile(tags)


def _fixed(*numbers: float) -> bytes:
    """As s15Fixed16Number."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _profile(tags: list[tuple[bytes, bytes]]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags:
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body
    head = struct.pack(
        ">I4xI4s4s4s6H4s28x12s48x",
        start + len(data),
        0x04300000,
        *(b"mntr", b"RGB ", b"XYZ "),
        *(2026, 1, 1, 0, 0, 0),
        b"acsp",
        _fixed(*D50),
    )
    return head + table + data
