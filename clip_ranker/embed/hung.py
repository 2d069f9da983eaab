"""When a call of the model counts as hung, and a model that can be asked beside its calls."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import numpy as np

from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels

Check = Callable[[], Awaitable[bool]]
"""Asks an embedder beside its calls whether it works."""
ANSWERED_WITHIN_S = 14.0
"""A hung call should not be waited for longer: requests must be answered within 15 s."""


def hung_after_s(expected_s: float, timeout_s: float) -> float:
    """How long a call of pictures that take ``expected_s`` one by one may stay out."""
    return max(timeout_s, min(5 * expected_s, ANSWERED_WITHIN_S), 2 * expected_s)


async def in_line(call: Awaitable[Embedding], check: Check | None, hung_s: float) -> Embedding:
    """A call, which may stay out for longer while the embedder works: on those of others.

    Raises:
        TimeoutError: after ``hung_s`` it does not say that it works.
    """
    answer = asyncio.ensure_future(call)
    try:
        while check and not (await asyncio.wait([answer], timeout=hung_s))[0]:
            async with asyncio.timeout(hung_s):
                if not await check():
                    raise TimeoutError
        return await answer
    finally:
        answer.cancel()


class Watched:
    """A model in a thread, with its state for other threads; one call at a time.

    Args:
        encode: uint8 (batch, height, width, 3) to float32 (batch, dim).
        timeout_s: least time after which a call counts as hung.
    """

    def __init__(self, encode: Callable[[Pixels], Embedding], *, timeout_s: float) -> None:
        self._encode = encode
        self._timeout_s = timeout_s
        self._one_picture_s = 0.0
        self._hung_at = math.inf
        self._failed = False

    def __call__(self, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim)."""
        start = time.monotonic()
        self._hung_at = start + hung_after_s(self._one_picture_s * len(pixels), self._timeout_s)
        failed = True
        try:
            embeddings = self._encode(pixels)
            failed = not np.isfinite(embeddings).all()
            return embeddings
        finally:
            self._one_picture_s = (time.monotonic() - start) / len(pixels)
            self._failed, self._hung_at = failed, math.inf

    @property
    def well(self) -> bool:
        """No call hangs, and the last one gave vectors."""
        return not self._failed and time.monotonic() < self._hung_at
