"""Gathers ready pictures of all requests into calls of the embedder."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError

Pixels = NDArray[np.uint8]
Embedding = NDArray[np.float32]
Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""

BACKGROUND_BATCH = 4
"""Pictures in a call nobody waits for, so that a request that comes meanwhile waits little."""


@dataclass(eq=False)
class Waiting:
    """A picture in line.

    Attributes:
        pixels: uint8 (height, width, 3).
        embedding: float32 (dim,) once it is there; cancelling it takes the picture out of line.
        taken: it is on its way to the embedder.
    """

    pixels: Pixels
    embedding: asyncio.Future[Embedding]
    taken: bool = False


class Lane:
    """One request's place in the batcher.

    Args:
        batcher: it belongs to.
        background: goes only when no other lane has anything.

    Attributes:
        given: pictures it has put into calls so far.
    """

    def __init__(self, batcher: "Batcher", *, background: bool = False) -> None:
        self._batcher = batcher
        self.background = background
        self.waiting: deque[Waiting] = deque()
        self.given = 0

    def put(self, pixels: Pixels) -> Waiting:
        """Puts a picture in line. Its embedding fails with

        - EmbedFailedError: the model has no finite vector for it,
        - EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        entry = Waiting(pixels, asyncio.get_running_loop().create_future())
        self.adopt(entry)
        return entry

    def give(self) -> Waiting | None:
        """Takes the next picture that somebody still wants out of line."""
        while self.waiting:
            entry = self.waiting.popleft()
            if not entry.taken and not entry.embedding.done():  # else its request has gone
                entry.taken = True
                self.given += 1
                return entry
        return None

    def adopt(self, entry: Waiting) -> None:
        """Takes a picture that waits in another lane into this one as well."""
        if not entry.taken:
            self.waiting.append(entry)
            self._batcher.wake(self)


class Batcher:
    """Work-conserving: while one call is out, what becomes ready gathers; no timer.

    Takes one picture of each lane in turn, so that a request with one picture does not wait for
    all of a request with fifty. A lane begins small and gives at most as many as it has given
    before, so that a stream has its first score early. One call at a time, because BentoML's
    dispatcher holds lone calls back once it has seen calls queue.

    Args:
        embed: the embedder's call.
        max_batch_size: pictures in one call.
    """

    def __init__(self, embed: Embed, *, max_batch_size: int) -> None:
        self._embed = embed
        self._max_batch_size = max_batch_size
        self._lanes: OrderedDict[Lane, None] = OrderedDict()
        self._background: OrderedDict[Lane, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def lane(self, *, background: bool = False) -> Lane:
        """A place for one request."""
        return Lane(self, background=background)

    def wake(self, lane: Lane) -> None:
        """Tells that this lane has something waiting."""
        (self._background if lane.background else self._lanes)[lane] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._call(batch)
        finally:
            self._task = None

    def _take(self) -> list[Waiting]:
        small = min(BACKGROUND_BATCH, self._max_batch_size)
        return _take(self._lanes, self._max_batch_size) or _take(self._background, small)

    async def _call(self, batch: list[Waiting]) -> None:
        try:
            embeddings = await self._embed(np.stack([entry.pixels for entry in batch]))
            pairs = list(zip(batch, embeddings, strict=True))
        except BaseException as error:
            if isinstance(error, EmbedderUnavailableError):
                # Or each batch in line would wait out the time limit in turn.
                everything = len(self._lanes) + len(self._background) + 1
                while more := _take(self._lanes, everything) + _take(self._background, everything):
                    batch += more
            for entry in batch:
                _settle(entry.embedding, error)
            if not isinstance(error, Exception):
                raise
            return
        for entry, embedding in pairs:
            if np.isfinite(embedding).all():
                _settle(entry.embedding, embedding)
            else:
                _settle(entry.embedding, EmbedFailedError("the model gave no finite vector"))


def _take(lanes: OrderedDict[Lane, None], most: int) -> list[Waiting]:
    """Up to ``most`` pictures, one of each lane in turn."""
    batch: list[Waiting] = []
    shares = {lane: max(1, lane.given) for lane in lanes}
    done: list[Lane] = []
    while lanes and len(batch) < most:
        lane, _ = lanes.popitem(last=False)
        if (entry := lane.give()) is None:
            continue
        batch.append(entry)
        shares[lane] -= 1
        if shares[lane]:
            lanes[lane] = None
        else:
            done.append(lane)
    lanes.update(dict.fromkeys(done))
    return batch


def _settle(future: asyncio.Future[Embedding], outcome: Embedding | BaseException) -> None:
    if future.done():  # its request has gone meanwhile
        return
    if isinstance(outcome, asyncio.CancelledError):
        future.cancel()
    elif isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
