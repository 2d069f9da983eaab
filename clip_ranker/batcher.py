"""Gathers ready pictures of all requests into calls of the embedder."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError

Pixels = NDArray[np.uint8]
Embedding = NDArray[np.float32]
Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""


class _Waiting(NamedTuple):
    pixels: Pixels
    embedding: asyncio.Future[Embedding]


class Lane(AbstractContextManager["Lane"]):
    """One request's place in the batcher; leaving it withdraws what has not been sent."""

    def __init__(self, batcher: "Batcher") -> None:
        self._batcher = batcher
        self.waiting: deque[_Waiting] = deque()

    async def embed(self, pixels: Pixels) -> Embedding:
        """Embeds one picture of shape (height, width, 3); the answer has shape (dim,).

        Raises:
            EmbedFailedError: the model has no finite vector for this picture.
            ClipRankerError: whatever the embedder's call raised.
        """
        entry = _Waiting(pixels, asyncio.get_running_loop().create_future())
        self.waiting.append(entry)
        self._batcher.wake(self)
        return await entry.embedding

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.waiting:
            self.waiting.pop().embedding.cancel()


class Batcher:
    """Work-conserving: while one call is out, what becomes ready gathers; no timer.

    Takes one picture of each lane in turn, so that a request with one picture does not wait for
    all of a request with fifty. One call at a time, because BentoML's dispatcher holds lone
    calls back once it has seen calls queue.

    Args:
        embed: the embedder's call.
        max_batch_size: pictures in one call.
    """

    def __init__(self, embed: Embed, *, max_batch_size: int) -> None:
        self._embed = embed
        self._max_batch_size = max_batch_size
        self._lanes: OrderedDict[Lane, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def lane(self) -> Lane:
        """A place for one request, to be used as a context manager."""
        return Lane(self)

    def wake(self, lane: Lane) -> None:
        """Tells that this lane has something waiting."""
        self._lanes[lane] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._call(batch)
        finally:
            self._task = None

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._lanes and len(batch) < self._max_batch_size:
            lane, _ = self._lanes.popitem(last=False)
            while lane.waiting:
                entry = lane.waiting.popleft()
                if not entry.embedding.done():  # else its request has gone
                    batch.append(entry)
                    break
            if lane.waiting:
                self._lanes[lane] = None
        return batch

    def _take_all(self) -> list[_Waiting]:
        entries = [entry for lane in self._lanes for entry in lane.waiting]
        for lane in self._lanes:
            lane.waiting.clear()
        self._lanes.clear()
        return entries

    async def _call(self, batch: list[_Waiting]) -> None:
        try:
            embeddings = await self._embed(np.stack([entry.pixels for entry in batch]))
        except BaseException as error:
            if isinstance(error, EmbedderUnavailableError):
                batch += self._take_all()  # or each batch would wait out the time limit in turn
            for entry in batch:
                _settle(entry.embedding, error)
            if not isinstance(error, Exception):
                raise
            return
        for entry, embedding in zip(batch, embeddings, strict=True):
            if np.isfinite(embedding).all():
                _settle(entry.embedding, embedding)
            else:
                _settle(entry.embedding, EmbedFailedError("the model gave no finite vector"))


def _settle(future: asyncio.Future[Embedding], outcome: Embedding | BaseException) -> None:
    if future.done():  # its request has gone meanwhile
        return
    if isinstance(outcome, asyncio.CancelledError):
        future.cancel()
    elif isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
