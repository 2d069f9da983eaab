"""A tower in torch to an ONNX file."""

from pathlib import Path

import torch

from clip_ranker.importing.sources import Source


def export(source: Source, path: Path) -> None:
    """Writes the tower with a batch of any size, input ``pixels``, output ``embeddings``."""
    shape = (2, 3, source.preprocess.height, source.preprocess.width)
    # The fused multi-head attention of torch's own fast path has no ONNX form.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        torch.onnx.export(
            source.tower,
            (torch.zeros(shape),),
            path,
            input_names=["pixels"],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
