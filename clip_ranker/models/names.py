"""What a model's name in the store says of its import.

An import calls a model ``openclip_`` and what OpenCLIP calls it, or ``efficientnet_lite0``; behind
that stands ``_random`` where the weights have no meaning, ``_views`` where an OpenCLIP model sees
three views of each picture (the starter always does), and ``_int8`` where it is in 8 bits.

    python -m clip_ranker.models.names NAME

prints the arguments of ``import_model.py``, or fails where the name alone does not tell them.
"""

import re
import sys

RANDOM, VIEWS, INT8 = "_random", "_views", "_int8"
KNOWN = {
    "openclip_vit_b32": [],
    "openclip_vit_b32_random": ["--weights", "random"],
    "efficientnet_lite0": ["--starter"],
}
"""Arguments of the import in fp32, of one view."""


def of(model: str) -> str:
    """``ViT-B-32`` as ``openclip_vit_b32``."""
    name = re.sub(r"-(?=\d)", "", model.lower())
    return "openclip_" + re.sub(r"[^a-z0-9]+", "_", name)


def arguments(name: str) -> list[str] | None:
    """Of ``import_model.py`` for the model of that name; None where the name does not tell."""
    exact = name.removesuffix(INT8)
    found, views = KNOWN.get(exact.removesuffix(VIEWS)), ["--views"] * exact.endswith(VIEWS)
    if found is None or (views and "--starter" in found):
        return None
    return [*found, *views, *(["--precision", "int8"] if name.endswith(INT8) else [])]


if __name__ == "__main__":
    told = arguments(sys.argv[1])
    sys.stdout.write(" ".join(told or []))
    sys.exit(told is None)
