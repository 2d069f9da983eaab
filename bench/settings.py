"""What all parts of the benchmark agree on."""

import os
from dataclasses import dataclass
from pathlib import Path

from clip_ranker import processors
from tests import stores

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".cache" / "bench"
"""Pictures, the plain graph and a BentoML store; made once for each state of the import."""
STORE = WORK / f"store-{stores.digest()}"
GRAPH = WORK / f"plain-{stores.digest()}.onnx"
MODEL = "openclip_vit_b32_random"
BATCH = 16
THREADS = min(2, processors.available())
CONCURRENCY = 10


@dataclass(frozen=True)
class Tree:
    """A checkout: its folder, the BentoML home with its models, and the model to serve."""

    root: Path = ROOT
    store: Path = STORE
    model: str = MODEL

    def environment(self, home: Path | None = None) -> dict[str, str]:
        """Makes a process run this checkout's code, with its models or in another home."""
        return os.environ | {
            "BENTOML_HOME": str(home or self.store),
            "BENTOML_DO_NOT_TRACK": "True",
            "PYTHONPATH": str(self.root),
        }


OURS = Tree()
