"""The embedder process as the API process sees it: bounded calls, and whether it is well."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np
import psutil

from clip_ranker.embed.batcher import Embed
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

logger = logging.getLogger(__name__)

DISPATCHER_LESSONS = 12
"""Calls until BentoML's dispatcher stops training itself (``train_optimizer`` in 1.4.39)."""
PROBE_PAUSE_S = 0.25
REMOTE_SILENT_S = 2.0
"""An embedder on another machine that nobody has called for so long is probed."""
FAILED_PAUSE_S = 1.0
"""After a picture that the model failed on; BentoML logs a traceback for each."""
CANNOT_TELL = (OSError, psutil.Error)
"""Of a process that is away, hung, or cannot be looked at for want of an open file."""
ANSWERED_WITHIN_S = 14.0
"""A hung call should not be waited for longer: requests must be answered within 15 s."""


def hung_after_s(expected_s: float, timeout_s: float) -> float:
    """How long a call of pictures that take ``expected_s`` one by one may stay out."""
    return max(timeout_s, min(5 * expected_s, ANSWERED_WITHIN_S), 2 * expected_s)


class Embedder:
    """Calls the other process, and watches it.

    While it is unwell calls are refused at once. A process that does not answer is killed,
    because nobody else notices that it hangs; BentoML's supervisor starts a new one. After a batch
    that the model failed on, as many black pictures tell whether it fails on all. One on another
    machine is not ours to kill; as nothing shows whether it lives, it is probed when it is idle.

    Args:
        preprocess: gives the shape of a picture to probe with.
        timeout_s: least time after which a call counts as hung.

    Attributes:
        well: whether pictures can be embedded, as far as the last call or probe tells.
        black: a picture to probe with, uint8 (1, height, width, 3).
    """

    def __init__(self, preprocess: Preprocess, *, timeout_s: float) -> None:
        self.well = False
        self.black = np.zeros((1, preprocess.height, preprocess.width, 3), np.uint8)
        self._timeout_s = timeout_s
        self._one_picture_s = 0.0
        self._failed_on = 0  # pictures
        self._answered_at = 0.0
        self._process: psutil.Process | None = None
        self._one_at_a_time = asyncio.Lock()

    def connect(self, call: Embed, ask_pid: Callable[[], Awaitable[int]] | None) -> None:
        """Begins to look for the process; needs a running event loop.

        Both calls go to the other process, and raise ``ConnectionError`` when it is away. Without
        ``ask_pid`` it is on another machine.
        """
        self._call, self._ask_pid = call, ask_pid
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops looking."""
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    async def __call__(self, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim).

        Raises:
            EmbedderUnavailableError: the process is starting, away or hung.
            EmbedFailedError: the model failed on this batch.
        """
        if not self.well:
            raise EmbedderUnavailableError("the model is starting, try again in a few seconds")
        try:
            embeddings = await self._bounded(pixels)
        except (TimeoutError, ConnectionError) as error:
            logger.error("embedder: %s, looking for it", type(error).__name__)
            self.well = False
            raise EmbedderUnavailableError(
                "the model stopped and is starting again, try again in a few seconds"
            ) from error
        except EmbedFailedError:
            self._failed_on = len(pixels)
            raise
        if not np.isfinite(embeddings).all():
            self._failed_on = len(pixels)
        return embeddings

    async def _bounded(self, pixels: Pixels, *, probing: bool = False) -> Embedding:
        limit_s = hung_after_s(self._one_picture_s * len(pixels), self._timeout_s)
        async with self._one_at_a_time, self._killed_after(limit_s):
            if not (self.well or probing):  # the call that this one waited for has failed
                raise ConnectionError
            try:
                embeddings = await self._call(pixels)
            except ConnectionError:
                if not self._alive():
                    raise
                # An idle connection can die under a request, and embedding twice does no harm.
                embeddings = await self._call(pixels)
            self._answered_at = time.monotonic()
            return embeddings

    @asynccontextmanager
    async def _killed_after(self, limit_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            with suppress(*CANNOT_TELL):  # the watch tries again
                if self._process is not None and self._process.is_running():
                    logger.error("embedder: no answer in %.1f s, killing it", limit_s)
                    self._process.kill()
            raise

    def _alive(self) -> bool:
        if self._ask_pid is None:
            return True  # the next call will tell
        process = self._process
        try:
            return bool(
                process and process.status() != psutil.STATUS_ZOMBIE and process.is_running()
            )
        except psutil.NoSuchProcess:
            return False
        except CANNOT_TELL:  # the next call will
            return True

    async def _watch(self) -> None:
        """Looks for the process, then keeps an eye on it: nobody may call it for hours."""
        while True:
            pause_s = PROBE_PAUSE_S
            try:
                if not self.well or not self._alive():
                    self.well = False
                    await self._find()
                elif self._failed_on or self._silent():
                    await self._probe()
            except CANNOT_TELL:  # away or hung
                self.well = False
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise
                self.well = False  # what it waited for was cut off, not this task
            except EmbedFailedError as error:
                self.well = False
                logger.error("embedder: %s, of black pictures", error)
                pause_s = FAILED_PAUSE_S
            except Exception:  # a bug: keep looking, and say so
                self.well = False
                logger.exception("embedder: the probe failed")
                pause_s = self._timeout_s
            await asyncio.sleep(pause_s)

    def _silent(self) -> bool:
        remote = self._ask_pid is None
        return remote and time.monotonic() - self._answered_at > REMOTE_SILENT_S

    async def _find(self) -> None:
        if self._ask_pid is not None:
            async with self._killed_after(self._timeout_s):
                self._process = psutil.Process(await self._ask_pid())
        await self._probe()  # the first is slow, pages are read in
        start = time.perf_counter()
        await self._probe()
        self._one_picture_s = time.perf_counter() - start
        self.well = True
        logger.info("embedder: well, one picture %.3f s", self._one_picture_s)
        for _ in range(DISPATCHER_LESSONS):  # it holds some of its first calls back
            start = time.perf_counter()
            with suppress(EmbedderUnavailableError, EmbedFailedError):
                await self(self.black)
                took_s = time.perf_counter() - start
                self._one_picture_s = min(self._one_picture_s, took_s)

    async def _probe(self) -> None:
        """Embeds black pictures: as many as it failed on, or one."""
        black = np.repeat(self.black, self._failed_on or 1, axis=0)
        embeddings = await self._bounded(black, probing=True)
        if not np.isfinite(embeddings).all():
            raise EmbedFailedError("vector")
        self._failed_on = 0
