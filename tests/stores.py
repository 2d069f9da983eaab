"""Where tests and benchmark keep what they import: models of an older import must not pass for new.

Imports nothing heavy: BentoML reads its folder from the environment when it is first imported.
"""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BESIDE = ("store.py", "images.py")
"""Modules outside ``clip_ranker/importing`` that decide what an import stores."""


def digest() -> str:
    """Of the sources that an import runs through."""
    found = hashlib.sha256()
    package = ROOT / "clip_ranker"
    for path in sorted([*(package / "importing").rglob("*.py"), *(package / n for n in BESIDE)]):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
