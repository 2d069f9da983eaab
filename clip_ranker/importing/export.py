"""A tower in torch to an ONNX file."""

from pathlib import Path

import torch
from torch import Tensor, nn

from clip_ranker.models.preprocess import Preprocess


def export(tower: nn.Module, example: Tensor, path: Path) -> None:
    """Writes the tower with a batch of any size, input ``pixels``, output ``embeddings``.

    Weights go into a second file, ``path`` and ``.data``. ``example`` is a batch of two pictures,
    of which only shape and dtype count.
    """
    # The fused multi-head attention of torch's own fast path has no ONNX form.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        torch.onnx.export(
            tower.eval(),
            (example,),
            path,
            input_names=["pixels"],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            dynamo=True,
            external_data=True,  # ONNX Runtime maps such weights instead of reading them in
            verbose=False,
        )


def two_pictures(preprocess: Preprocess) -> Tensor:
    """An example for ``export``: uint8 (2, height, width, 3)."""
    return torch.zeros((2, preprocess.height, preprocess.width, 3), dtype=torch.uint8)
