"""Decodes in the order in which the embedder will want the pictures."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from clip_ranker.embed.batcher import Batcher
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Lane, Waiting, Waitlist

Prepare = Callable[[], Coroutine[Any, Any, Pixels]]
"""A file to its pixels."""


class Decoder:
    """Decodes one picture of each request in turn, and not much further ahead than the next call.

    Decoding and embedding share the processor: what is decoded too early delays the call before
    it, and its pixels take more memory than the file. A request has no more decoded than its share
    of the next call, and one picture while all together have two calls full. The photo is never
    held back.

    Args:
        threads: that decode at once.
        batcher: takes what is decoded.

    Attributes:
        waitlist: files to be decoded.
    """

    def __init__(self, threads: int, batcher: Batcher) -> None:
        self.waitlist: Waitlist[Prepare, Pixels] = Waitlist(self._go)
        self._free = threads
        self._tasks: set[asyncio.Task[Pixels]] = set()
        self._under_way: Counter[Lane] = Counter()
        self._ready = batcher.waitlist
        self._most_ahead = 2 * batcher.max_batch_size
        batcher.when_taken(self._go)

    def _go(self) -> None:
        if not self._free:
            return
        ahead = self._under_way.total() + self._ready.waiting_in_all()
        for lane, waiting in self.waitlist.take(
            self._free, lambda lane: self._room(lane, crowded=ahead >= self._most_ahead)
        ):
            self._free -= 1
            self._under_way[lane] += 1
            self._start(lane, waiting)

    def _room(self, lane: Lane, *, crowded: bool) -> int:
        share = 1 if crowded else lane.share
        return share - self._under_way[lane] - self._ready.waiting(lane)

    def _start(self, lane: Lane, waiting: Waiting[Prepare, Pixels]) -> None:
        task = asyncio.get_running_loop().create_task(waiting.work())
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, lane, waiting))

    def _done(
        self, lane: Lane, waiting: Waiting[Prepare, Pixels], task: "asyncio.Task[Pixels]"
    ) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        waiting.settle(error or task.result())
        # Behind the task that has waited: its pixels count as ready then.
        asyncio.get_running_loop().call_soon(self._free_thread, lane)

    def _free_thread(self, lane: Lane) -> None:
        self._free += 1
        self._under_way[lane] -= 1
        self._under_way += Counter()  # forgets lanes that have none
        self._go()
