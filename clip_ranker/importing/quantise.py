"""A graph whose large products are computed in 8 bits: half the time, a quarter of the memory.

The method, chosen by measurement on AVX2 without VNNI (``bench/WAYS.md``):

- Weights signed, per channel, of 7 bits: with 8 the processor's sum of two products saturates.
- Activations unsigned, with ranges fixed at the import, on every other photograph: the gate judges
  on all of them, so that it meets values outside the ranges as the service will. Ranges taken from
  each batch would be as fast, but then a picture's vector depends on which others share its batch.
- Outliers behind layer norms move into weights first (``smooth``), which changes nothing in fp32.
- Layers whose inputs have outliers stay in float, as few as the gate allows.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime import quantization
from PIL import Image

from clip_ranker.decode import geometry
from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import gate, parity, smooth
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Preprocess

PRODUCTS = ("MatMul", "Gemm", "Conv")
IN_FLOAT = (0, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the layers left in float, tried in this order."""
CALIBRATION_BATCH = 4
MATRIX_DIMS = 2
"""Of weights that all rows share; those of each head apart have three."""


def quantise(graph: Path, path: Path, preprocess: Preprocess) -> gate.Agreement:
    """Writes to ``path`` the cheapest graph that passes the gate; ``graph`` is in fp32.

    Raises:
        ImportRefusedError: none passes.
    """
    exact = Encoder(graph)
    pictures = np.stack([geometry.to_pixels(p, preprocess) for p in calibration()])
    smoothed = _smoothed(graph, path.with_name(f"smooth-{path.name}"), pictures)
    layers = by_outliers(smoothed, pictures)
    for share in IN_FLOAT:
        in_8_bits(smoothed, path, pictures, layers[round(share * len(layers)) :])
        agreement = gate.measure(exact, Encoder(path), preprocess)
        try:
            gate.check(agreement)
        except ImportRefusedError as error:
            refused = error
        else:
            return agreement
    raise refused


def calibration() -> list[Image.Image]:
    """Every other photograph; the rest the gate alone sees."""
    return list(parity.photographs())[::2]


def _smoothed(graph: Path, path: Path, pictures: NDArray[np.uint8]) -> Path:
    model = onnx.load(graph)
    smooth.smooth(model, pictures, CALIBRATION_BATCH)
    weights = path.with_name(path.name + ".data")
    weights.unlink(missing_ok=True)  # onnx would append to it
    onnx.save(model, path, save_as_external_data=True, location=weights.name)
    return path


def in_8_bits(graph: Path, path: Path, pictures: NDArray[np.uint8], layers: list[str]) -> None:
    """Writes to ``path`` the graph with these of its products by constants in 8 bits.

    The ranges of activations are fixed on ``pictures``, uint8 (n, height, width, 3).
    """
    path.with_name(path.name + ".data").unlink(missing_ok=True)  # onnx would append to it
    quantization.quantize_static(
        graph,
        path,
        _Batches(pictures),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(PRODUCTS),
        nodes_to_quantize=layers,
        per_channel=True,
        reduce_range=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        use_external_data_format=True,
    )


def by_outliers(graph: Path, pictures: NDArray[np.uint8]) -> list[str]:
    """Names of the products by constants, those that 8 bits hurt most first.

    An input is cut into 256 steps between its extremes: the further these lie out, measured in
    standard deviations, the coarser are the steps for all the rest. A matrix for each head is left
    out: the quantiser would have a scale for each row of it, which is summed over, so that ONNX
    Runtime computes in float all the same.
    """
    model = onnx.load(graph)
    dims = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    products = [
        node
        for node in model.graph.node
        if node.op_type in PRODUCTS
        and node.input[1] in dims
        and (node.op_type != "MatMul" or dims[node.input[1]] == MATRIX_DIMS)
    ]
    inputs = sorted({node.input[0] for node in products})
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inputs)
    session = ort.InferenceSession(model.SerializeToString())
    values = session.run(inputs, {session.get_inputs()[0].name: pictures[:CALIBRATION_BATCH]})
    reach = dict(zip(inputs, (np.ptp(value) / np.std(value) for value in values), strict=True))
    return [node.name for node in sorted(products, key=lambda node: -reach[node.input[0]])]


class _Batches(quantization.CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime is not typed
    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        cuts = range(CALIBRATION_BATCH, len(pictures), CALIBRATION_BATCH)
        self._left = np.split(pictures, cuts)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return {"pixels": self._left.pop()} if self._left else None
