"""Writes the graph of the baseline: ViT-B/32 as torch exports it, no saving of ours."""

import sys
from pathlib import Path

import torch

from clip_ranker.importing import export, sources, weights

if __name__ == "__main__":
    source = sources.from_open_clip("ViT-B-32", weights.RANDOM)
    example = torch.zeros((2, 3, source.preprocess.height, source.preprocess.width))
    export.export(source.tower, example, Path(sys.argv[1]))
