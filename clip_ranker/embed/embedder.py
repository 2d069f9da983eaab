"""The embedder process as the API process sees it: bounded calls, and whether it is well."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

import numpy as np
import psutil

from clip_ranker.embed.batcher import Embed
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

logger = logging.getLogger(__name__)

AskPid = Callable[[], Awaitable[int]]

DISPATCHER_LESSONS = 12
"""Calls until BentoML's dispatcher stops training itself (``train_optimizer`` in 1.4.39)."""
PROBE_PAUSE_S = 0.25
SLOWER_BY = 5
"""A call may take this many times what its pictures take one by one before it counts as hung."""
ANSWERED_WITHIN_S = 14.0
"""But not longer than this, for requests must be answered within 15 s."""
AT_LEAST_SLOWER_BY = 2
"""But never less than so many times: a machine under load is slower than the probe found it."""


def hung_after_s(expected_s: float, timeout_s: float) -> float:
    """How long a call may stay out.

    Args:
        expected_s: what its pictures take one by one.
        timeout_s: least time.
    """
    patient_s = min(SLOWER_BY * expected_s, ANSWERED_WITHIN_S)
    return max(timeout_s, patient_s, AT_LEAST_SLOWER_BY * expected_s)


class Embedder:
    """Wraps the calls to the other process.

    A call that fails or stays out too long makes the embedder unwell: calls are refused at once
    while a probe looks until a picture comes back. A process that does not answer is killed,
    because nobody else notices that it hangs; BentoML's supervisor starts a new one.

    Args:
        preprocess: gives the shape of a picture to probe with.
        timeout_s: least time after which a call counts as hung.
    """

    def __init__(self, preprocess: Preprocess, *, timeout_s: float) -> None:
        self._call: Embed
        self._ask_pid: AskPid
        self._black = np.zeros((1, preprocess.height, preprocess.width, 3), np.uint8)
        self._timeout_s = timeout_s
        self._one_picture_s = 0.0
        self._process: psutil.Process | None = None
        self._probing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._well = asyncio.Event()

    @property
    def well(self) -> bool:
        """True when the last embed succeeded and none is out too long."""
        return self._well.is_set()

    async def wait_until_well(self) -> None:
        """Returns once a picture was embedded."""
        await self._well.wait()

    def connect(self, call: Embed, ask_pid: AskPid) -> None:
        """Begins to look for the process; needs a running event loop.

        Args:
            call: embeds in the other process; raises ``ConnectionError`` when it is away.
            ask_pid: asks the other process for its process id; raises likewise.
        """
        self._call, self._ask_pid = call, ask_pid
        self._probing = asyncio.create_task(self._probe())

    async def close(self) -> None:
        """Stops looking."""
        if self._probing:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing

    async def __call__(self, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim).

        Raises:
            EmbedderUnavailableError: the process is starting, away or hung.
        """
        if not self.well:
            raise EmbedderUnavailableError("the model is starting, try again in a few seconds")
        try:
            try:
                return await self._bounded(pixels)
            except ConnectionError:
                if not self._alive():
                    raise
                # An idle connection can die under a request, and embedding twice does no harm.
                return await self._bounded(pixels)
        except (TimeoutError, ConnectionError) as error:
            logger.error("embedder: %s, looking for it", type(error).__name__)
            self._well.clear()
            raise EmbedderUnavailableError(
                "the model stopped and is starting again, try again in a few seconds"
            ) from error

    async def _bounded(self, pixels: Pixels) -> Embedding:
        limit_s = hung_after_s(self._one_picture_s * len(pixels), self._timeout_s)
        try:
            async with self._one_at_a_time, asyncio.timeout(limit_s):
                return await self._call(pixels)
        except TimeoutError:
            if self._process is not None:
                logger.error("embedder: no answer in %.1f s, killing it", limit_s)
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._process.kill()
            raise

    def _alive(self) -> bool:
        if self._process is None:
            return False
        try:
            return (
                bool(self._process.status() != psutil.STATUS_ZOMBIE) and self._process.is_running()
            )
        except psutil.NoSuchProcess:
            return False

    async def _probe(self) -> None:
        """Looks for the process, then keeps an eye on it: nobody may call it for hours."""
        while True:
            if self.well and self._alive():
                await asyncio.sleep(PROBE_PAUSE_S)
                continue
            self._well.clear()
            if await self._try():
                await self._teach()

    async def _try(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._process = psutil.Process(await self._ask_pid())
            await self._bounded(self._black)  # the first is slow, pages are read in
            start = time.perf_counter()
            await self._bounded(self._black)
        except (TimeoutError, ConnectionError, psutil.NoSuchProcess):
            await asyncio.sleep(PROBE_PAUSE_S)
            return False
        except Exception:  # a bug or a broken model: keep looking, and say so
            logger.exception("embedder: the probe failed")
            await asyncio.sleep(self._timeout_s)
            return False
        self._one_picture_s = time.perf_counter() - start
        self._well.set()
        logger.info("embedder: well, one picture %.3f s", self._one_picture_s)
        return True

    async def _teach(self) -> None:
        """Walks BentoML's dispatcher through its first calls, some of which it holds back."""
        for _ in range(DISPATCHER_LESSONS):
            start = time.perf_counter()
            with contextlib.suppress(EmbedderUnavailableError, EmbedFailedError):
                await self(self._black)
                took_s = time.perf_counter() - start
                self._one_picture_s = min(self._one_picture_s, took_s)
