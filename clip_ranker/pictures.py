"""From a picture's URL or bytes to its unit vector."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from clip_ranker import example_pictures, images
from clip_ranker.batcher import Batcher, Embedding, Lane, Pixels
from clip_ranker.fetch import Fetcher
from clip_ranker.images import Preprocess
from clip_ranker.pixel_budget import PixelBudget
from clip_ranker.settings import Settings
from clip_ranker.stages import StageClock


@dataclass(frozen=True)
class Job:
    """What the pictures of one request share.

    Attributes:
        lane: the request's place in the batcher.
        clock: sums up where its time went.
        image_resize_px: longest side before the model's own resize.
    """

    lane: Lane
    clock: StageClock
    image_resize_px: int


class Pictures:
    """Downloads, decodes and embeds; each picture on its own, in its caller's task.

    Args:
        preprocess: of the model that embeds.
        settings: limits.
        batcher: of the embedder.
    """

    def __init__(self, preprocess: Preprocess, settings: Settings, batcher: Batcher) -> None:
        self._preprocess = preprocess
        self._settings = settings
        self._batcher = batcher
        self._fetcher = Fetcher(settings)
        self._pixel_budget = PixelBudget(settings.max_pixels)
        self._threads = ThreadPoolExecutor(
            settings.decode_threads or len(os.sched_getaffinity(0)), thread_name_prefix="decode"
        )

    def job(self, image_resize_px: int) -> Job:
        """A new request; enter its lane before embedding."""
        return Job(self._batcher.lane(), StageClock(), image_resize_px)

    async def embed_url(self, url: str, job: Job, slots: asyncio.Semaphore) -> Embedding:
        """Unit vector of the picture behind a URL, shape (dim,).

        Args:
            url: http, https or ``example:<name>``.
            job: of the request.
            slots: held while downloading and decoding.

        Raises:
            CandidateError: why there is none.
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        async with slots, self._download(url, job) as data:
            pixels = await self._decode(data, job)
        return await self._embed(pixels, job)

    async def embed_bytes(self, data: bytes, job: Job) -> Embedding:
        """Unit vector of a picture file, shape (dim,); raises as ``embed_url``."""
        return await self._embed(await self._decode(data, job), job)

    async def close(self) -> None:
        """Ends threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._fetcher.close()

    @asynccontextmanager
    async def _download(self, url: str, job: Job) -> AsyncIterator[bytes]:
        async with AsyncExitStack() as held:
            with job.clock.stage("download"):
                if url.startswith(example_pictures.SCHEME):
                    data = example_pictures.read(url)
                else:
                    data = await held.enter_async_context(self._fetcher.fetch(url))
            yield data

    async def _decode(self, data: bytes, job: Job) -> Pixels:
        prepare = partial(
            images.prepare,
            data,
            preprocess=self._preprocess,
            image_resize_px=job.image_resize_px,
            max_pixels=self._settings.max_pixels,
            budget=self._pixel_budget,
        )
        with job.clock.stage("decode"):
            return await asyncio.get_running_loop().run_in_executor(self._threads, prepare)

    async def _embed(self, pixels: Pixels, job: Job) -> Embedding:
        with job.clock.stage("embed"):
            return await job.lane.embed(pixels)
