"""What all parts of the benchmark agree on."""

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
