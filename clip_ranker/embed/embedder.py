"""The embedder process as the API process sees it: bounded calls, and whether it is well."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from clip_ranker.embed.batcher import Embed, EmbedTexts
from clip_ranker.embed.hung import LOADING_S, Check, hung_after_s, in_line
from clip_ranker.embed.process import CANNOT_TELL, AskPid, Process
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

logger = logging.getLogger(__name__)

Call = Callable[[], Awaitable[Embedding]]
DISPATCHER_LESSONS = 12
"""Calls until BentoML's dispatcher stops training itself (``train_optimizer`` in 1.4.39)."""
PROBE_PAUSE_S = 0.25
REMOTE_SILENT_S = 2.0
"""An embedder on another machine that nobody has called for so long is probed."""
FAILED_PAUSE_S = 1.0
"""After a picture that the model failed on; BentoML logs a traceback for each."""
LONG_TEXT = "a " * 512
"""No text takes a model longer."""
IN_LINE_S = 60.0
"""On another machine a call may wait that long behind those of other APIs, while that works."""


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
    """

    def __init__(self, preprocess: Preprocess, *, timeout_s: float) -> None:
        self.well = False
        self._black = np.zeros((1, preprocess.height, preprocess.width, 3), np.uint8)
        self._timeout_s = timeout_s
        self._one_picture_s = self._one_text_s = 0.0
        self._failed_on = 0  # pictures
        self._answered_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    def connect(
        self,
        call: Embed,
        ask_pid: AskPid | None = None,
        *,
        check: Check | None = None,
        call_texts: EmbedTexts | None = None,
    ) -> None:
        """Begins to look for the process; needs a running event loop.

        All calls go to the other process, and raise ``ConnectionError`` when it is away. One on
        another machine has ``check`` instead of ``ask_pid``: whether it works. ``call_texts`` is
        for a model with a text tower.
        """
        self._call, self._call_texts = call, call_texts
        self._process, self._check = Process(ask_pid), check
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops looking."""
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    async def __call__(self, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim).

        Raises:
            EmbedderUnavailableError: the process is starting, away or hung, or refuses.
            EmbedFailedError: the model failed on this batch.
        """
        try:
            embeddings = await self._asked(partial(self._call, pixels), self._expected_s(pixels))
        except EmbedFailedError:
            self._failed_on = len(pixels)
            raise
        if not np.isfinite(embeddings).all():
            self._failed_on = len(pixels)
        return embeddings

    async def texts(self, texts: Sequence[str]) -> Embedding:
        """Embeds texts to float32 (batch, dim); raises as for pictures.

        Only who wants one brings the text tower into memory: there is no probe before.
        """
        assert self._call_texts
        if not self._one_text_s:
            one = partial(self._call_texts, [LONG_TEXT])
            await self._asked(one, LOADING_S)
            start = time.perf_counter()
            await self._asked(one, 0)
            self._one_text_s = time.perf_counter() - start
        return await self._asked(partial(self._call_texts, texts), self._one_text_s * len(texts))

    async def _asked(self, call: Call, expected_s: float) -> Embedding:
        if not self.well:
            raise EmbedderUnavailableError("the model is starting, try again in a few seconds")
        try:
            return await self._bounded(call, expected_s)
        except (TimeoutError, ConnectionError) as error:
            logger.error("embedder: %s, looking for it", type(error).__name__)
            self.well = False
            stopped = "the model stopped and is starting again, try again in a few seconds"
            raise EmbedderUnavailableError(stopped) from error
        except EmbedderUnavailableError as error:
            logger.error("embedder: %s", error)
            self.well = False
            raise

    async def _bounded(self, call: Call, expected_s: float, *, probing: bool = False) -> Embedding:
        hung_s = hung_after_s(expected_s, self._timeout_s)
        limit_s = hung_s if self._check is None else max(hung_s, IN_LINE_S)
        async with self._one_at_a_time, self._process.killed_after(limit_s):
            if not (self.well or probing):  # the call that this one waited for has failed
                raise ConnectionError
            try:
                embeddings = await in_line(call(), self._check, hung_s)
            except ConnectionError:
                if not self._process.alive():
                    raise
                # An idle connection can die under a request, and embedding twice does no harm.
                embeddings = await in_line(call(), self._check, hung_s)
            self._answered_at = time.monotonic()
            return embeddings

    async def _watch(self) -> None:
        """Looks for the process, then keeps an eye on it: nobody may call it for hours."""
        while True:
            pause_s = PROBE_PAUSE_S
            try:
                if not self.well or not self._process.alive():
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
            except (EmbedFailedError, EmbedderUnavailableError) as error:
                self.well = False
                logger.error("embedder: %s, of black pictures", error)
                pause_s = FAILED_PAUSE_S
            except Exception:  # a bug: keep looking, and say so
                self.well = False
                logger.exception("embedder: the probe failed")
                pause_s = self._timeout_s
            await asyncio.sleep(pause_s)

    def _expected_s(self, pixels: Pixels) -> float:
        return self._one_picture_s * len(pixels)

    def _silent(self) -> bool:
        return self._check is not None and time.monotonic() - self._answered_at > REMOTE_SILENT_S

    async def _find(self) -> None:
        await self._process.find(self._timeout_s)
        self._one_text_s = 0.0
        await self._probe()  # the first is slow, pages are read in
        start = time.perf_counter()
        await self._probe()
        self._one_picture_s = time.perf_counter() - start
        self.well = True
        logger.info("embedder: well, one picture %.3f s", self._one_picture_s)
        for _ in range(DISPATCHER_LESSONS):  # it holds some of its first calls back
            start = time.perf_counter()
            with suppress(EmbedderUnavailableError, EmbedFailedError):
                await self(self._black)
                took_s = time.perf_counter() - start
                self._one_picture_s = min(self._one_picture_s, took_s)

    async def _probe(self) -> None:
        """Embeds black pictures: as many as it failed on, or one."""
        black = np.repeat(self._black, self._failed_on or 1, axis=0)
        call = partial(self._call, black)
        embeddings = await self._bounded(call, self._expected_s(black), probing=True)
        if not np.isfinite(embeddings).all():
            raise EmbedFailedError("vector")
        self._failed_on = 0
