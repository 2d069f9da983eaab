"""A tower in torch to an ONNX file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from clip_ranker.models.preprocess import Preprocess


class UnitLength(nn.Module):
    """A tower whose output is scaled to unit length."""

    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.features = features
        self.eval()

    def forward(self, batch: Tensor) -> Tensor:
        return nn.functional.normalize(self.features(batch), dim=-1)


def export(
    tower: nn.Module,
    example: Tensor,
    path: Path,
    *,
    takes: str = "pixels",
    dynamic: Sequence[str] = ("batch",),
) -> None:
    """Writes the tower; weights go into a second file, ``path`` and ``.data``.

    Args:
        tower: in torch.
        example: a batch of two, of which only shape and dtype count.
        path: of the file.
        takes: name of the input; that of the output is ``embeddings``.
        dynamic: names of the first dimensions, those that may have any size.
    """
    # The fused multi-head attention of torch's own fast path has no ONNX form.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        torch.onnx.export(
            tower.eval(),
            (example,),
            path,
            input_names=[takes],
            output_names=["embeddings"],
            dynamic_shapes=({n: torch.export.Dim(d, min=1) for n, d in enumerate(dynamic)},),
            dynamo=True,
            external_data=True,  # ONNX Runtime maps such weights instead of reading them in
            verbose=False,
        )


def two_pictures(preprocess: Preprocess) -> Tensor:
    """An example for ``export``: uint8 (2, height, width, 3)."""
    return torch.zeros((2, preprocess.height, preprocess.width, 3), dtype=torch.uint8)
