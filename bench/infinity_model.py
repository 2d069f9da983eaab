"""Writes random ViT-B/32 as Hugging Face keeps it; runs in the environment of ``bench.infinity``.

Start it with a folder and the file of OpenCLIP's vocabulary: a model comes with a tokeniser.
"""

import gzip
import json
import sys
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

MERGES = 49152 - 256 - 2
"""As many as OpenCLIP takes of the file."""


def main(folder: Path, vocabulary: Path) -> None:
    """Writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = gzip.decompress(vocabulary.read_bytes()).decode().splitlines()[1 : MERGES + 1]
    signs = list(bytes_to_unicode().values())
    words = [*signs, *(sign + "</w>" for sign in signs), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    files = folder / "vocab.json", folder / "merges.txt"
    files[0].write_text(json.dumps({word: number for number, word in enumerate(words)}))
    files[1].write_text("\n".join(["#version: 0.2", *merges, ""]))
    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)  # ViT-B/32 is its default
    tokenizer = CLIPTokenizer(*map(str, files))
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
