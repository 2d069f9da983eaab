"""Which processor a session asks for."""

from collections.abc import Callable

import numpy as np
import onnxruntime as ort
import pytest

from clip_ranker import store
from clip_ranker.encoder import Encoder


def test_cuda_is_asked_for_where_onnx_runtime_has_it_and_the_processor_does_the_rest(
    stored: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = store.load(stored("tiny")).graph
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: both)
    # A build for processors alone says that it was asked for CUDA, and goes on without.
    with pytest.warns(UserWarning, match="'CUDAExecutionProvider' is not in available") as warned:
        encoder = Encoder(graph)
    assert not any("'Tensorrt" in str(warning.message) for warning in warned)
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    assert np.linalg.norm(encoder(pixels)) == pytest.approx(1, abs=1e-5)
