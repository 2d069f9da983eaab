"""Moves outliers out of activations and into weights before both are cut into 8 bits.

SmoothQuant (Xiao et al. 2023, equation 4) where it costs nothing: what leaves a layer norm goes
into products by constants alone, so the norm's scale and shift of a channel may be divided by any
number that the weights' rows of that channel are multiplied by. In real numbers nothing changes.
"""

from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

Floats = NDArray[np.float32]

EXPONENTS = (0.25, 0.5, 0.75)
"""Of an activation's reach, 1 less them of its weights', each tried for each norm."""
STEPS, WEIGHT_STEPS = 255, 63
"""Of an activation between its extremes, and of a weight on either side of 0."""
SMALLEST = 1e-5
"""A channel that is always zero, or is never read, has a factor too."""


def smooth(model: onnx.ModelProto, pictures: NDArray[np.uint8], batch: int) -> None:
    """Changes norms and weights in place, as is best for the products on these pictures.

    Args:
        model: in fp32, with its weights.
        pictures: uint8 (n, height, width, 3).
        batch: so many at a time.
    """
    pairs = list(_norms(model.graph))
    seen = _values(model, [norm.output[0] for norm, _ in pairs], pictures, batch)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def change(node: onnx.NodeProto, at: int, factors: Floats) -> None:
        """Gives the node a constant of its own: an exporter may have shared it with others."""
        old = numpy_helper.to_array(constants[node.input[at]])
        node.input[at] = f"{node.input[at]}_{node.output[0]}"
        new = numpy_helper.from_array((old * factors).astype(np.float32), node.input[at])
        model.graph.initializer.append(new)

    for (norm, products), values in zip(pairs, seen, strict=True):
        weights = [numpy_helper.to_array(constants[product.input[1]]) for product in products]
        factors = best(values, np.concatenate(weights, axis=1))
        for at in range(1, len(norm.input)):  # scale, and shift where there is one
            change(norm, at, np.reciprocal(factors))
        for product in products:
            change(product, 1, factors[:, None])
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def best(values: Floats, weights: Floats) -> Floats:
    """Of each channel, the factor for its weights' rows: 1, where none makes less of an error.

    Args:
        values: (rows, channels) of activations.
        weights: (channels, columns).
    """
    reach, rows = (
        np.maximum(np.abs(of).max(axis=axis), SMALLEST) for of, axis in ((values, 0), (weights, 1))
    )
    tried = [np.ones_like(reach)]
    for exponent in EXPONENTS:
        ratio = reach**exponent / rows ** (1 - exponent)
        tried.append(ratio / np.exp(np.mean(np.log(ratio))))  # norms stay about as large
    wanted = values @ weights
    return min(
        tried,
        key=lambda factors: float(
            np.linalg.norm(_in_8_bits(values / factors, weights * factors[:, None]) - wanted)
        ),
    )


def _in_8_bits(values: Floats, weights: Floats) -> Floats:
    """The product as ONNX Runtime would come to it: weights are cut column by column."""
    step = np.ptp(values) / STEPS
    steps = np.maximum(np.abs(weights).max(axis=0), SMALLEST**2) / WEIGHT_STEPS
    cut: Floats = np.round(values / step) * step @ (np.round(weights / steps) * steps)
    return cut


def _norms(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, list[onnx.NodeProto]]]:
    """Each layer norm that feeds nothing but products by constants, and these."""
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "LayerNormalization":
            continue
        behind = [one for one in graph.node if node.output[0] in one.input]
        if behind and all(one.op_type == "MatMul" and one.input[1] in constants for one in behind):
            yield node, behind


def _values(
    model: onnx.ModelProto, names: list[str], pictures: NDArray[np.uint8], batch: int
) -> list[Floats]:
    """What each of these is on the pictures, (rows, channels)."""
    if not names:
        return []
    outputs = len(model.graph.output)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(model.SerializeToString())
    del model.graph.output[outputs:]
    cuts = range(batch, len(pictures), batch)
    runs = [
        session.run(names, {session.get_inputs()[0].name: some})
        for some in np.split(pictures, cuts)
    ]
    return [
        np.concatenate([value.reshape(-1, value.shape[-1]) for value in values])
        for values in zip(*runs, strict=True)
    ]
