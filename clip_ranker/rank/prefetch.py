"""Embeds pictures ahead of the request that will ask for them, behind everything else."""

import asyncio
import logging
from collections import Counter

from clip_ranker import metrics
from clip_ranker.download.url_policy import MAX_URL_CHARS
from clip_ranker.errors import CandidateError, EmbedderUnavailableError
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.schema import PrefetchRequest, PrefetchResponse

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4


class Prefetcher:
    """A bounded line of URLs, each once, and a few workers while there is something in it.

    Args:
        pictures: where the embeddings go.
        most_waiting: URLs in line; more are refused.
    """

    def __init__(self, pictures: Pictures, *, most_waiting: int) -> None:
        self._pictures = pictures
        self._most_waiting = most_waiting
        self._line: dict[tuple[str, int], None] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._under_way = 0

    async def accept(self, request: PrefetchRequest) -> PrefetchResponse:
        """Puts in line what is not known yet; returns at once."""
        job = self._job(request.image_resize)
        urls = [candidate.image_url for candidate in request.candidates]
        await self._pictures.recall(urls, job)
        counts = Counter(self._sort(url, job) for url in urls)
        for outcome, count in counts.items():
            metrics.PREFETCH.labels(outcome).inc(count)
        self._count()
        for _ in range(min(MOST_AT_ONCE, len(self._line)) - len(self._workers)):
            self._workers.add(asyncio.create_task(self._work()))
        return PrefetchResponse(
            accepted=counts["accepted"], known=counts["known"], refused=counts["refused"]
        )

    async def close(self) -> None:
        """Drops what is in line and ends the workers."""
        logger.info("prefetch: %d pictures dropped", self._drop(self._under_way))
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _sort(self, url: str, job: Job) -> str:
        place = (url, job.image_resize_px)
        try:
            known = self._pictures.known(url, job) is not None
        except CandidateError:
            return "refused"
        if len(url) > MAX_URL_CHARS:
            return "refused"
        if known or place in self._line or self._pictures.under_way(url, job):
            return "known"
        if len(self._line) >= self._most_waiting:
            return "refused"
        self._line[place] = None
        return "accepted"

    async def _work(self) -> None:
        try:
            while self._line:
                await self._next()
                if not self._line:
                    await self._pictures.share()  # and look again: more may have come meanwhile
        finally:
            if me := asyncio.current_task():
                self._workers.discard(me)

    async def _next(self) -> None:
        place = url, image_resize_px = next(iter(self._line))
        del self._line[place]
        self._under_way += 1
        try:
            await self._pictures.embed_url(url, self._job(image_resize_px))
        except CandidateError:
            pass  # whoever asks for it will be told
        except EmbedderUnavailableError:
            self._drop(1)  # or the whole line would be downloaded for nothing
        except Exception:
            logger.exception("prefetch: a picture failed")
        finally:
            self._under_way -= 1
            self._count()

    def _drop(self, under_way: int) -> int:
        dropped = len(self._line) + under_way
        metrics.PREFETCH_DROPPED.inc(dropped)
        self._line.clear()
        return dropped

    def _count(self) -> None:
        metrics.PREFETCH_WAITING.set(len(self._line) + self._under_way)

    def _job(self, image_resize_px: int) -> Job:
        return self._pictures.job(image_resize_px, most_at_once=1, background=True)
