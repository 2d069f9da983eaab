"""ONNX Runtime over a stored model: model pixels in, unit vectors out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_ranker import processors
from clip_ranker.models.preprocess import Pixels

Embedding = NDArray[np.float32]
"""Of one picture, (dim,), or of a batch, (batch, dim); of unit length."""

SPIN_US = "20"
"""How long a thread spins at a barrier before it sleeps: waking takes longer on a virtual machine.
By default it spins for tens of milliseconds, and takes the processor from what decodes."""


def session(graph: Path, *, threads: int = 0, mapped: bool = False, frugal: bool = False) -> Any:
    """A session of ONNX Runtime.

    Args:
        graph: the ONNX file.
        threads: 0 is one a processor this process may use.
        mapped: weights stay in the file, of which the system keeps in memory what is used, instead
            of being put in the best order for the processor: as quick for large batches only.
        frugal: keep no plan of the memory for each size of batch.
    """
    # Imported only where it is used: 20 MB in every process that imports this module.
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or processors.available()
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    options.enable_mem_pattern = not frugal
    if mapped:
        options.add_session_config_entry("session.disable_prepacking", "1")
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in ort.get_available_providers()]
    return ort.InferenceSession(graph, options, providers=providers)


class Encoder:
    """A loaded image tower.

    Args:
        graph: the ONNX file; input uint8 (batch, height, width, 3), output (batch, dim) of unit
            length. Normalisation is inside.
        threads: of the session; 0 is one a processor this process may use.
        frugal: keep no plan of the memory for each size of batch. The starter then has 0.71 GB
            instead of 1.18, at no cost; ViT-B/32 0.50 instead of 0.53, for 1 to 5 % more time.
    """

    def __init__(self, graph: Path, *, threads: int = 0, frugal: bool = False) -> None:
        self._session = session(graph, threads=threads, frugal=frugal)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3), RGB, to float32 (batch, dim) of unit length."""
        (embeddings,) = self._session.run(None, {self._input: pixels})
        return np.asarray(embeddings, np.float32)
