"""Threads that decode, in the order in which the embedder will want the pictures."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from clip_ranker.batcher import Batcher, Pixels
from clip_ranker.lanes import Lane, Line, Waiting

Prepare = Callable[[], Pixels]
"""A file to its pixels; runs in a thread."""


class Decoder:
    """Decodes one picture of each request in turn, and no further ahead than the next call takes.

    Decoding and embedding share the processor: what is decoded too early delays the call before
    it, and its pixels take more memory than the file. The photo is never held back.

    Args:
        threads: that decode at once.
        batcher: takes what is decoded.

    Attributes:
        line: files to be decoded.
    """

    def __init__(self, threads: int, batcher: Batcher) -> None:
        self.line: Line[Prepare, Pixels] = Line(self._go)
        self._free = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._under_way: Counter[Lane] = Counter()
        self._ready = batcher.line
        batcher.taken = self._go

    def close(self) -> None:
        """Lets the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _go(self) -> None:
        for lane, waiting in self.line.take(self._free, self._room):
            self._free -= 1
            self._under_way[lane] += 1
            self._start(lane, waiting)

    def _room(self, lane: Lane) -> int:
        return lane.share - self._under_way[lane] - self._ready.waiting(lane)

    def _start(self, lane: Lane, waiting: Waiting[Prepare, Pixels]) -> None:
        loop = asyncio.get_running_loop()

        def done(future: "Future[Pixels]") -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._done, lane, waiting, future)

        self._executor.submit(waiting.work).add_done_callback(done)

    def _done(
        self, lane: Lane, waiting: Waiting[Prepare, Pixels], future: "Future[Pixels]"
    ) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        waiting.settle(error or future.result())
        # Behind the task that has waited: its pixels count as ready then.
        asyncio.get_running_loop().call_soon(self._free_thread, lane)

    def _free_thread(self, lane: Lane) -> None:
        self._free += 1
        self._under_way[lane] -= 1
        self._under_way += Counter()  # forgets lanes that have none
        self._go()
