"""Where the weights of an OpenCLIP model come from: a file, or the model hub by their tag."""

import difflib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import open_clip
from huggingface_hub import constants, errors, hf_hub_download
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from clip_ranker.errors import ImportRefusedError

RANDOM = "random"
QUICK = "-quickgelu"
"""Behind the name of a model that is built with QuickGELU."""
PINNED = {
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/open_clip_model.safetensors": (
        "ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6"
    ),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/open_clip_pytorch_model.bin": (
        "1bd3c7172de5b207ceac554f5ab5266166f3b9baccc9af5989bc801016d080ad"
    ),
}
"""SHA-256 of the default model's files, by repository and name.

As published: the hub's own page and a copy of the second file in another repository of the hub name
it, lock files of several projects the first, with 605,143,316 bytes at revision 1a25a446712b. Not
seen by us, who had no hub in reach.
"""
SHA256_DIGITS = 64


@dataclass(frozen=True)
class Weights:
    """What a model is filled with.

    Attributes:
        path: of the checkpoint on this machine; None leaves the model random.
        published: what OpenCLIP knows of them, how they want their pixels above all.
        warning: what people should know of them.
    """

    path: Path | None
    published: dict[str, Any] = field(default_factory=dict)
    warning: str | None = None


def config(model: str) -> dict[str, Any]:
    """Of a model that OpenCLIP knows; ImportRefusedError if it knows none of that name."""
    found: dict[str, Any] | None = open_clip.get_model_config(model)
    if found is None:
        close = ", ".join(difflib.get_close_matches(model, open_clip.list_models()))
        raise ImportRefusedError(f"--model: OpenCLIP has no '{model}'; close to it: {close or '-'}")
    return found


def tags(model: str) -> str:
    """Names of the published weights, for people; ImportRefusedError if there is no such model."""
    config(model)
    return ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"


def find(model: str, pretrained: str) -> Weights:
    """Weights of a known model: by their tag, the path of a checkpoint, or none for ``random``.

    Raises:
        ImportRefusedError: no such tag, a QuickGELU mismatch, or weights that cannot be had.
    """
    if pretrained == RANDOM:
        # Pixels as the published weights want them: what is random is checked and timed like these.
        first = open_clip.list_pretrained_tags_by_model(model)[:1]
        return Weights(None, open_clip.get_pretrained_cfg(model, *first) if first else {})
    if Path(pretrained).is_file():
        return Weights(Path(pretrained))
    other = model.removesuffix(QUICK) if model.endswith(QUICK) else model + QUICK
    tag, tag_of_other = (open_clip.get_pretrained_cfg(of, pretrained) for of in (model, other))
    trained_on = tag or tag_of_other
    if trained_on and bool(trained_on.get("quick_gelu")) != bool(config(model).get("quick_gelu")):
        raise ImportRefusedError(
            f"the {pretrained} weights do not fit the activation of {model}: use --model {other}"
        )
    if not tag:
        raise ImportRefusedError(
            f"--pretrained: '{pretrained}' is no file and no tag of {model}; its tags are "
            f"{tags(model)}"
        )
    if not tag["hf_hub"]:
        return Weights(Path(open_clip.download_pretrained(tag)), tag)
    repository, file = os.path.split(tag["hf_hub"])
    try:
        path, name = _from_hub(repository, file)
    except Exception as error:  # hub clients raise what their HTTP libraries raise
        raise ImportRefusedError(_refusal(error, model, pretrained, repository)) from error
    return Weights(path, tag, _warning(path, f"{repository}/{name}"))


def _from_hub(repository: str, file: str) -> tuple[Path, str]:
    """Path of the weights, downloaded if need be, and their name in the repository."""
    try:
        httpx.head(constants.ENDPOINT, timeout=10)
        reached = True
    except httpx.HTTPError:
        reached = False
    safe = str(Path(file).with_suffix(".safetensors")) if file else HF_SAFE_WEIGHTS_NAME
    try:
        # Unreached it takes what was downloaded before, and says no at once, not after a minute.
        path = hf_hub_download(repository, safe, local_files_only=not reached)
    except errors.EntryNotFoundError:
        safe = file or HF_WEIGHTS_NAME
        path = hf_hub_download(repository, safe, local_files_only=not reached)
    return Path(path), safe


def _refusal(error: Exception, model: str, pretrained: str, repository: str) -> str:
    """One sentence: the cause, and what to do."""
    page = f"{constants.ENDPOINT}/{repository}"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return (
            f"the model hub has no weights in {repository} (404): take another of the tags of "
            f"{model}, {tags(model)}, or pass a checkpoint you have with --pretrained PATH"
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return (
            f"the model hub cannot be reached for the {pretrained} weights "
            f"({_reason(error.__cause__ or error)}): pass a checkpoint you have with "
            "--pretrained PATH, or take the small built-in model with --starter"
        )
    answer = error.response if isinstance(error, errors.HfHubHTTPError) else None
    # Other hosts, that hold the bytes, know nothing of accounts.
    if answer and answer.status_code in (401, 403, 404) and str(answer.url).startswith(page):
        return (
            f"the model hub keeps {repository} closed ({answer.status_code}), because it is "
            f"private, gated or not there: accept its terms on {page} if it has any, and set "
            "HF_TOKEN to a token that may read it"
        )
    return (
        f"the download of the {pretrained} weights from {page} broke off ({_reason(error)}): "
        "run it again"
    )


def _reason(error: BaseException) -> str:
    first, *_ = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {first}"


def _warning(path: Path, name: str) -> str | None:
    """What is wrong with downloaded weights that may be used all the same.

    Raises:
        ImportRefusedError: they are not what the hub says it sent.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    # The hub client keeps large files under the SHA-256 that the hub tells, and does not compare.
    told = path.resolve()
    if len(told.name) == SHA256_DIGITS and told.name != sha256:
        raise ImportRefusedError(
            f"the download of {name} is damaged: its SHA-256 is {sha256}, the model hub says "
            f"{told.name}; delete {told} and run it again"
        )
    pinned = PINNED.get(name, sha256)
    if pinned == sha256:
        return None
    return (
        f"{name} has the SHA-256 {sha256}, and not {pinned}, which is known of it: "
        "find out why before you serve these weights"
    )
