"""From a picture's URL or bytes to its unit vector, or straight out of the cache."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial

from clip_ranker import examples, metrics, processors
from clip_ranker.decode import pool
from clip_ranker.decode.decoder import Decoder, Prepare
from clip_ranker.download.asker import Asker
from clip_ranker.download.fetch import Fetcher
from clip_ranker.embed.batcher import Batcher
from clip_ranker.errors import CandidateError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.cache import EmbeddingCache, Keys
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.shared_cache import SharedCache
from clip_ranker.pictures.single_flight import Flight, Flights
from clip_ranker.pictures.stage_clock import Stage, StageClock
from clip_ranker.settings import Settings


class Pictures:
    """Downloads, decodes and embeds, each picture once, whoever asks for it.

    Args:
        model: the one that embeds.
        settings: limits.
        batcher: of the embedder.
    """

    def __init__(self, model: StoredModel, settings: Settings, batcher: Batcher) -> None:
        self._batcher = batcher
        self._fetcher = Fetcher(settings)
        threads = settings.decode_threads or min(processors.available(), 4)
        self._decoder = Decoder(threads, batcher)
        self._pool = pool.Decoder(
            model.preprocess, processes=threads, max_pixels=settings.max_pixels
        )
        self._background = batcher.lane(background=True)
        self._keys = Keys(model)
        self._flights = Flights()
        shared = None
        if settings.cache_url and settings.cache_bytes:
            shared = SharedCache(
                settings.cache_url,
                dim=model.dim,
                ttl_s=settings.cache_ttl_s,
                timeout_s=settings.cache_timeout_s,
            )
        self._cache = EmbeddingCache(settings, shared)

    def job(
        self,
        image_resize_px: int,
        *,
        most_at_once: int,
        early: bool = False,
        background: bool = False,
    ) -> Job:
        """A new request.

        Args:
            image_resize_px: longest side before the model's own resize.
            most_at_once: candidates downloaded and decoded at once.
            early: its first result is wanted soon, at some cost to all of it together.
            background: nobody waits for it.
        """
        lane = self._background if background else self._batcher.lane(early=early)
        slots = asyncio.Semaphore(most_at_once)
        return Job(lane, Asker(background), StageClock(), slots, image_resize_px)

    def give_up(self, job: Job) -> None:
        """Its deadline has passed: what has begun goes on behind everything else."""
        job.late = True
        self._decoder.waitlist.retire(job.lane)
        self._batcher.waitlist.retire(job.lane)

    def known(self, url: str, job: Job) -> Embedding | None:
        """The embedding of a URL if it is in memory.

        Raises:
            CandidateError: it failed a few seconds ago.
        """
        return self._cache.get(self._keys.of_url(url, job.image_resize_px))

    def under_way(self, url: str, job: Job) -> bool:
        """True when somebody waits for this picture already."""
        return self._keys.of_url(url, job.image_resize_px) in self._flights

    async def recall(self, urls: Iterable[str], job: Job) -> None:
        """Brings what the shared cache knows of these URLs into memory."""
        await self._cache.recall(self._keys.of_url(url, job.image_resize_px) for url in urls)

    async def share(self) -> None:
        """Gives what is new to the shared cache."""
        await self._cache.flush()

    async def embed_url(self, url: str, job: Job, *, first: bool = False) -> Embedding:
        """Unit vector of the picture behind a URL, shape (dim,).

        Args:
            url: http, https or ``example:<name>``.
            job: of the request.
            first: it goes before all else of the request.

        Raises:
            CandidateError: why there is none.
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        key = self._keys.of_url(url, job.image_resize_px)

        async def work(flight: Flight) -> Embedding:
            try:
                async with self._download(url, flight, job) as data:
                    pixels = await self._decode(flight, data, job)
                embedding = await self._embed(flight, pixels, job)
            except CandidateError as failure:
                self._cache.put_failure(key, failure)
                raise
            self._cache.put(key, embedding, share=True)
            if not flight.waiting:  # then no answer will share it
                await self.share()
            return embedding

        async with AsyncExitStack() as place:
            await place.enter_async_context(job.slots)
            if (known := self._cache.get(key)) is not None:  # meanwhile somebody else made it
                return known
            with self._flights.join(key, job, work, first=first) as flight:
                with _waiting(flight, job, "download"):
                    await flight.decoded.wait()
                await place.aclose()
                with _waiting(flight, job, "embed"):
                    return await flight.land()

    async def embed_bytes(self, data: bytes, job: Job) -> Embedding:
        """Unit vector of a picture file, shape (dim,); goes first, raises as ``embed_url``."""
        key = await asyncio.to_thread(self._keys.of_bytes, data, job.image_resize_px)
        if (known := self._cache.get(key)) is not None:
            return known

        async def work(flight: Flight) -> Embedding:
            flight.begun = True
            embedding = await self._embed(flight, await self._decode(flight, data, job), job)
            self._cache.put(key, embedding, share=False)
            return embedding

        with self._flights.join(key, job, work, first=True) as flight:
            with _waiting(flight, job, "decode"):
                await flight.decoded.wait()
            with _waiting(flight, job, "embed"):
                return await flight.land()

    async def close(self) -> None:
        """Ends what is under way, threads and connections."""
        await self._flights.close()
        await self._pool.close()
        await self._fetcher.close()
        await self._cache.flush()
        await self._cache.close()

    @asynccontextmanager
    async def _download(self, url: str, flight: Flight, job: Job) -> AsyncIterator[bytes]:
        def begun() -> None:
            flight.begun = True

        async with AsyncExitStack() as held:
            with job.clock.stage("download"):
                if url.startswith(examples.SCHEME):
                    begun()
                    data = examples.read(url)
                else:
                    download = self._fetcher.fetch(url, begun, asker=job.asker)
                    data = await held.enter_async_context(download)
            yield data

    async def _decode(self, flight: Flight, data: bytes, job: Job) -> Pixels:
        prepare: Prepare = partial(self._pool, data, job.image_resize_px)
        with job.clock.stage("decode"):
            return await flight.stand_in(self._decoder.waitlist, prepare)

    async def _embed(self, flight: Flight, pixels: Pixels, job: Job) -> Embedding:
        flight.decoded.set()
        with job.clock.stage("embed"), metrics.EMBEDS_IN_FLIGHT.track_inprogress():
            return await flight.stand_in(self._batcher.waitlist, pixels)


def _waiting(flight: Flight, job: Job, stage: Stage) -> AbstractContextManager[None]:
    """Clocks what another job's work takes; the job that began it clocks the work itself."""
    return nullcontext() if flight.job is job else job.clock.stage(stage)
