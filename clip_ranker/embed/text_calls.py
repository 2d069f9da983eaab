"""Calls of the embedder for texts, which know how long one may take."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from clip_ranker.embed.embedder import Embedder
from clip_ranker.embed.hung import LOADING_S
from clip_ranker.models.encoder import Embedding

EmbedTexts = Callable[[Sequence[str]], Awaitable[Embedding]]
"""Texts to float32 (batch, dim)."""
LONG_TEXT = "a " * 512
"""No text takes a model longer."""


class TextCalls:
    """Calls with one text tower, between those for pictures.

    Only who wants a text brings the tower into the memory of the embedder: so its time is not
    measured when that starts, but before the first of these calls.

    Args:
        embedder: bounds the calls.
        call: makes one; raises as those for pictures.
    """

    def __init__(self, embedder: Embedder, call: EmbedTexts) -> None:
        self._embedder = embedder
        self._call = call
        self._one_s = 0.0
        self._measured_at_start = 0

    async def __call__(self, texts: Sequence[str]) -> Embedding:
        """Embeds texts to float32 (batch, dim).

        Raises:
            EmbedderUnavailableError: the process is starting, away or hung, or refuses.
            EmbedFailedError: the model failed on these.
        """
        if self._measured_at_start != self._embedder.starts:
            await self._measure()
        return await self._embedder.asked(partial(self._call, texts), self._one_s * len(texts))

    async def _measure(self) -> None:
        starts, one = self._embedder.starts, partial(self._call, [LONG_TEXT])
        await self._embedder.asked(one, LOADING_S)
        start = time.perf_counter()
        await self._embedder.asked(one, 0)
        self._one_s, self._measured_at_start = time.perf_counter() - start, starts
