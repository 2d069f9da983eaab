"""Where tests and benchmark keep what they import: models of an older import must not pass for new.

Imports nothing heavy: BentoML reads its folder from the environment when it is first imported.
"""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("importing", "models", "decode")
"""Of the package, that decide what an import stores."""


def digest() -> str:
    """Of the sources that an import runs through."""
    found = hashlib.sha256()
    package = ROOT / "clip_ranker"
    for path in sorted(path for folder in FOLDERS for path in (package / folder).rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
