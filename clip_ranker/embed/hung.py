"""When a call of the model counts as hung, and a model that can be asked beside its calls."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sized
from typing import Generic, TypeVar

import numpy as np

from clip_ranker.models.encoder import Embedding

Batch = TypeVar("Batch", bound=Sized)
Check = Callable[[], Awaitable[bool]]
"""Asks an embedder beside its calls whether it works."""
LOADING_S = 30.0
"""What the first call for texts may be expected to take, which loads the text tower."""
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


class Watched(Generic[Batch]):
    """A model in a thread, with its state for other threads; one call at a time.

    Args:
        encode: a batch of pictures, or of texts, to float32 (batch, dim).
        timeout_s: least time after which a call counts as hung.
        first_s: what one may be expected to take until it is known.
    """

    def __init__(
        self, encode: Callable[[Batch], Embedding], *, timeout_s: float, first_s: float = 0
    ) -> None:
        self._encode = encode
        self._timeout_s = timeout_s
        self._one_s = first_s
        self._hung_at = math.inf
        self._failed = False

    def __call__(self, batch: Batch) -> Embedding:
        """Embeds it to float32 (batch, dim)."""
        start = time.monotonic()
        self._hung_at = start + hung_after_s(self._one_s * len(batch), self._timeout_s)
        failed = True
        try:
            embeddings = self._encode(batch)
            failed = not np.isfinite(embeddings).all()
            return embeddings
        finally:
            self._one_s = (time.monotonic() - start) / len(batch)
            self._failed, self._hung_at = failed, math.inf

    @property
    def hangs(self) -> bool:
        """Whether a call is out that should have been back."""
        return time.monotonic() >= self._hung_at

    @property
    def well(self) -> bool:
        """No call hangs, and the last one gave vectors."""
        return not self._failed and not self.hangs
