"""Which processor a session asks for, and what loading a model leaves behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from tests.conftest import ROOT

EMBED = """
import numpy as np
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
model = store.load("tiny")
pixels = np.zeros((1, model.preprocess.height, model.preprocess.width, 3), np.uint8)
print(Encoder(model.graph)(pixels).shape)
"""


def test_onnx_runtime_reports_nothing_and_leaves_no_device_id(
    stored: Callable[[str], str], tmp_path: Path
) -> None:
    stored("tiny")
    # Neither the variable this package sets itself, nor one by which a CI run is known.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "CI"))}
    ran = subprocess.run(
        [sys.executable, "-c", EMBED],
        cwd=ROOT,
        env=kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("(1, ")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


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


def test_threads_sleep_once_a_call_is_over(stored: Callable[[str], str]) -> None:
    model = store.load(stored("tiny"))
    shape = (8, model.preprocess.height, model.preprocess.width, 3)
    Encoder(model.graph, threads=2)(np.zeros(shape, np.uint8))
    before_s = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before_s < 0.01  # 0.05 as ONNX Runtime has it by default
