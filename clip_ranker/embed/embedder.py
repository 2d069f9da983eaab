"""The embedder process as the API process sees it: bounded calls, and whether it is well."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import numpy as np

from clip_ranker.embed.hung import Check, hung_after_s, in_line
from clip_ranker.embed.probed import Probed
from clip_ranker.embed.process import CANNOT_TELL, Process
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

logger = logging.getLogger(__name__)

EmbedWith = Callable[[str, Pixels], Awaitable[Embedding]]
"""Name of a model and uint8 (batch, height, width, 3) to float32 (batch, dim)."""
Call = Callable[[], Awaitable[Embedding]]
AskPid = Callable[[], Awaitable[int]]
DISPATCHER_LESSONS = 12
"""Calls until BentoML's dispatcher stops training itself (``train_optimizer`` in 1.4.39)."""
PROBE_PAUSE_S = 0.25
REMOTE_SILENT_S = 2.0
"""An embedder on another machine that nobody has called for so long is probed."""
FAILED_PAUSE_S = 1.0
"""After a picture that the model failed on; BentoML logs a traceback for each."""
IN_LINE_S = 60.0
"""On another machine a call may wait that long behind those of other APIs, while that works."""


class Embedder:
    """Calls the other process, and watches it.

    While it is unwell calls are refused at once. A process that does not answer is killed,
    because nobody else notices that it hangs; BentoML's supervisor starts a new one. After a batch
    that the model failed on, as many black pictures tell whether it fails on all. One on another
    machine is not ours to kill; as nothing shows whether it lives, it is probed when it is idle.

    Args:
        models: how each wants its pixels, by name.
        timeout_s: least time after which a call counts as hung.

    Attributes:
        well: whether pictures can be embedded with every model, as far as the last calls or
            probes tell.
        starts: processes found so far, each a new one.
    """

    def __init__(self, models: Mapping[str, Preprocess], *, timeout_s: float) -> None:
        self.well = False
        self.starts = 0
        self._models = {name: Probed.of(pixels) for name, pixels in models.items()}
        self._timeout_s = timeout_s
        self._answered_at = 0.0
        self._process = Process()
        self._one_at_a_time = asyncio.Lock()

    def connect(
        self, call: EmbedWith, ask_pid: AskPid | None = None, *, check: Check | None = None
    ) -> None:
        """Begins to look for the process; needs a running event loop.

        All calls go to the other process, and raise ``ConnectionError`` when it is away. One on
        another machine has ``check`` instead of ``ask_pid``: whether it works.
        """
        self._call, self._ask_pid, self._check = call, ask_pid, check
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops looking."""
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    async def __call__(self, name: str, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim), with the model so named.

        Raises:
            EmbedderUnavailableError: the process is starting, away or hung, or refuses.
            EmbedFailedError: the model failed on this batch.
        """
        try:
            embeddings = await self.asked(*self._with(name, pixels))
        except EmbedFailedError:
            self._models[name].failed_on = len(pixels)
            raise
        if not np.isfinite(embeddings).all():
            self._models[name].failed_on = len(pixels)
        return embeddings

    async def asked(self, call: Call, expected_s: float) -> Embedding:
        """Any call of the process, of which so long is expected; raises likewise."""
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

    def _with(self, name: str, pixels: Pixels) -> tuple[Call, float]:
        expected_s = self._models[name].one_picture_s * len(pixels)
        return lambda: self._call(name, pixels), expected_s

    async def _bounded(self, call: Call, expected_s: float, *, probing: bool = False) -> Embedding:
        hung_s = hung_after_s(expected_s, self._timeout_s)
        limit_s = hung_s if self._check is None else max(hung_s, IN_LINE_S)
        async with self._one_at_a_time, self._process.killed_after(limit_s):
            if not (self.well or probing):  # the call that this one waited for has failed
                raise ConnectionError
            try:
                embeddings = await in_line(call(), self._check, hung_s)
            except ConnectionError:
                if not self._alive():
                    raise
                # An idle connection can die under a request, and embedding twice does no harm.
                embeddings = await in_line(call(), self._check, hung_s)
            self._answered_at = time.monotonic()
            return embeddings

    def _alive(self) -> bool:
        return self._ask_pid is None or self._process.alive  # else the next call will tell

    async def _watch(self) -> None:
        """Looks for the process, then keeps an eye on it: nobody may call it for hours."""
        while True:
            pause_s = PROBE_PAUSE_S
            try:
                if not self.well or not self._alive():
                    self.well = False
                    await self._find()
                else:
                    for name, model in self._models.items():
                        if model.failed_on or self._silent():
                            await self._probe(name)
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

    def _silent(self) -> bool:
        return self._check is not None and time.monotonic() - self._answered_at > REMOTE_SILENT_S

    async def _find(self) -> None:
        if self._ask_pid is not None:
            async with self._process.killed_after(self._timeout_s):
                self._process.find(await self._ask_pid())
        for name, model in self._models.items():
            await self._probe(name)  # the first is slow, pages are read in
            start = time.perf_counter()
            await self._probe(name)
            model.one_picture_s = time.perf_counter() - start
            logger.info("embedder: %s is well, one picture %.3f s", name, model.one_picture_s)
        self.well, self.starts = True, self.starts + 1
        for name, model in self._models.items():
            for _ in range(DISPATCHER_LESSONS):  # it holds some of its first calls back
                start = time.perf_counter()
                with suppress(EmbedderUnavailableError, EmbedFailedError):
                    await self(name, model.black)
                    took_s = time.perf_counter() - start
                    model.one_picture_s = min(model.one_picture_s, took_s)

    async def _probe(self, name: str) -> None:
        """Embeds black pictures: as many as the model failed on, or one."""
        model = self._models[name]
        black = np.repeat(model.black, model.failed_on or 1, axis=0)
        embeddings = await self._bounded(*self._with(name, black), probing=True)
        if not np.isfinite(embeddings).all():
            raise EmbedFailedError("vector")
        model.failed_on = 0
