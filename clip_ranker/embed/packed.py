"""Arrays as text, for an embedder on another machine.

There BentoML sends arrays as JSON, a number an item. Sixteen pictures are 12 MB and 2.4 s of
processor time at both ends together, measured on a busy machine; packed 3.2 MB and 0.05 s.
"""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(array: NDArray[Any]) -> str:
    """NumPy's own file format in base64."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return base64.b64encode(file.getbuffer()).decode()


def unpack(text: str) -> NDArray[Any]:
    """Undoes ``pack``.

    Raises:
        ValueError: it is nothing of the kind.
    """
    array: NDArray[Any] = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    return array
