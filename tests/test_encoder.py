"""What loading a model leaves behind, and where it sends nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT

EMBED = """
import numpy as np
from clip_ranker import store
from clip_ranker.encoder import Encoder
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
