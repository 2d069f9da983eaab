"""Where tests and benchmark keep what they import: models of an older import must not pass for new.

Imports nothing heavy: BentoML reads its folder from the environment when it is first imported.
"""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("importing", "models", "decode")
"""Of the package, that decide what an import stores."""


def digest(root: Path = ROOT) -> str:
    """Of the sources that an import runs through, in this checkout or another."""
    found = hashlib.sha256()
    package = root / "clip_ranker"
    # A checkout from before these folders: all of it.
    folders = [package / name for name in FOLDERS if (package / name).is_dir()] or [package]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
