"""Whether a graph means something: it finds each shipped photograph that a phone took again.

It tells random weights, weights of which a quarter is random and a quite wrong activation from real
ones. It is blind to what costs a few points only, as GELU for QuickGELU may: names tell these apart
(``weights.find``). That no weights are missing, loading sees to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from clip_ranker import examples
from clip_ranker.decode import geometry, images
from clip_ranker.evaluate.retake import retake
from clip_ranker.importing import parity
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

TIMES = 2
"""That each photograph is taken again."""
BATCH = 8
BAR = 0.6
"""Recall of weights that mean something.

The starter, our weakest, reached 0.98 over four times 12 photographs. Two times 12 gave random
weights 0.08 to 0.25 (three of ViT-B-32, MobileCLIP2-S0, ViT-B-16-SigLIP2, convnext_base_w), the
starter with half of its layers random 0.29, with a quarter 0.25, with SiLU in place of ReLU6 0.25.
There were no OpenCLIP weights to try: a warning, no refusal.
"""


@dataclass(frozen=True)
class Meaning:
    """What it found.

    Attributes:
        recall_at_1: share of the photographs taken again whose original is the first of all the
            shipped pictures.
        queries: how many were taken again.
    """

    recall_at_1: float
    queries: int

    @property
    def doubt(self) -> str | None:
        """What people should know, in one sentence."""
        if self.recall_at_1 >= BAR:
            return None
        return (
            "these weights tell hardly anything apart: they find "
            f"{self.recall_at_1:.0%} of {self.queries} photographs taken again, weights that mean "
            f"something {BAR:.0%} and more; are they random, damaged, or of another model?"
        )


def measure(encoder: Callable[[Pixels], Embedding], preprocess: Preprocess) -> Meaning:
    """Ranks all shipped pictures for each photograph turned, dimmed, blurred and partly hidden."""
    photographs = list(parity.shipped())
    again = [
        retake(photograph, "hard", time * len(photographs) + number)
        for time in range(TIMES)
        for number, photograph in enumerate(photographs)
    ]
    pixels = [geometry.to_pixels(one, preprocess) for one in again + photographs + mugs()]
    batches = (pixels[at : at + BATCH] for at in range(0, len(pixels), BATCH))
    vectors = np.concatenate([encoder(np.stack(batch)) for batch in batches])
    first = (vectors[: len(again)] @ vectors[len(again) :].T).argmax(axis=1)
    right = np.tile(np.arange(len(photographs)), TIMES)
    return Meaning(float(np.mean(first == right)), len(again))


def mugs() -> list[Image.Image]:
    """The drawings that ship with the package, RGB."""
    names = [name for name in examples.all_names() if name not in examples.names()]
    return [images.decode(examples.read(examples.SCHEME + one), max_pixels=10**7) for one in names]
