"""Writes the graph of the baseline: ViT-B/32 as torch exports it, no saving of ours."""

import sys
from pathlib import Path

from clip_ranker.importing import export, sources

if __name__ == "__main__":
    export.export(sources.from_open_clip("ViT-B-32", sources.RANDOM), Path(sys.argv[1]))
