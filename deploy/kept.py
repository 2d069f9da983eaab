"""The image that `make test-deploy` built, kept for `make test-swarm`; prints where.

Its name holds a digest of what it was built from, so that a change of the service makes another.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from deploy.engine import ROOT, docker

SOURCES = ("service.py", "bentofile.yaml", "requirements.txt", "import_model.py", "clip_ranker")
FOLDER = ROOT / ".cache"
PREFIX = "clip-api-"


def path() -> Path:
    """Where the image of today's sources is kept, or would be."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SOURCES]
    files = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    digest = hashlib.sha256(os.environ.get("BASE", "").encode())
    for name in sorted(filter(None, files.split("\0"))):
        if (ROOT / name).exists():  # else deleted, and not committed yet
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return FOLDER / f"{PREFIX}{digest.hexdigest()[:12]}.tar"


def keep(tag: str) -> None:
    """Keeps an image, and none of before."""
    kept = path()
    if not kept.exists():
        for old in FOLDER.glob(f"{PREFIX}*.tar"):
            old.unlink()
        FOLDER.mkdir(exist_ok=True)
        docker("save", "--output", f"{kept}.part", tag)
        Path(f"{kept}.part").rename(kept)


if __name__ == "__main__":
    sys.stdout.write(f"{path()}\n")
