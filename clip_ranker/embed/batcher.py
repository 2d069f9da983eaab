"""Gathers ready pictures of all requests into calls of the embedder."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import numpy as np

from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Lane, Waiting, Waitlist

Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""


class Batcher:
    """Work-conserving: while one call is out, what becomes ready gathers; no timer.

    One picture of each lane in turn, so that a request with one picture does not wait for all of
    a request with fifty. One call at a time, because BentoML's dispatcher holds lone calls back
    once it has seen calls queue.

    Args:
        embed: the embedder's call.
        max_batch_size: pictures in one call.

    Attributes:
        waitlist: pixels to be embedded, uint8 (height, width, 3) to float32 (dim,). What is put
            there fails with EmbedFailedError, the model has no finite vector for it, or with
            EmbedderUnavailableError, nothing can be embedded at the moment.
        max_batch_size: pictures in one call.
    """

    def __init__(self, embed: Embed, *, max_batch_size: int) -> None:
        self.waitlist: Waitlist[Pixels, Embedding] = Waitlist(self._wake)
        self.max_batch_size = max_batch_size
        self._embed = embed
        self._when_taken: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def lane(self, *, early: bool = False, background: bool = False) -> Lane:
        """A place for one request."""
        return Lane(self.max_batch_size, early=early, background=background)

    def when_taken(self, call: Callable[[], None]) -> None:
        """Has ``call`` called whenever pictures have left the waitlist."""
        self._when_taken.append(call)

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._call(batch)
        finally:
            self._task = None

    def _take(self) -> list[Waiting[Pixels, Embedding]]:
        taken = self.waitlist.take(self.max_batch_size, lambda lane: lane.share)
        for lane, _ in taken:
            lane.given += 1
        for call in self._when_taken:
            call()
        return [waiting for _, waiting in taken]

    async def _call(self, batch: list[Waiting[Pixels, Embedding]]) -> None:
        try:
            embeddings = await self._embed(np.stack([waiting.work for waiting in batch]))
            pairs = list(zip(batch, embeddings, strict=True))
        except BaseException as error:
            if isinstance(error, EmbedderUnavailableError):
                # Or each batch in line would wait out the time limit in turn.
                while more := self.waitlist.take(sys.maxsize, lambda _: sys.maxsize):
                    batch += [waiting for _, waiting in more]
            for waiting in batch:
                waiting.settle(error)
            if not isinstance(error, Exception):
                raise
            return
        for waiting, embedding in pairs:
            if np.isfinite(embedding).all():
                waiting.settle(embedding)
            else:
                waiting.settle(EmbedFailedError("the model gave no finite vector"))
