"""Embeds pictures ahead of the request that will ask for them, behind everything else."""

import asyncio
import logging
from contextlib import suppress

from clip_ranker import metrics
from clip_ranker.errors import CandidateError, EmbedderUnavailableError
from clip_ranker.pictures import Job, Pictures
from clip_ranker.schema import PrefetchRequest, PrefetchResponse

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
        answer = PrefetchResponse(accepted=0, known=0, refused=0)
        for url in urls:
            outcome = self._sort(url, job)
            setattr(answer, outcome, getattr(answer, outcome) + 1)
            metrics.PREFETCH.labels(outcome).inc()
        self._count()
        for _ in range(min(MOST_AT_ONCE, len(self._line)) - len(self._workers)):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return answer

    async def close(self) -> None:
        """Drops what is in line and ends the workers."""
        dropped = len(self._line) + self._under_way
        metrics.PREFETCH_DROPPED.inc(dropped)
        logger.info("prefetch: %d pictures dropped", dropped)
        self._line.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _sort(self, url: str, job: Job) -> str:
        place = (url, job.image_resize_px)
        try:
            known = self._pictures.known(url, job) is not None
        except CandidateError:
            return "refused"
        if known or place in self._line or self._pictures.under_way(url, job):
            return "known"
        if len(self._line) >= self._most_waiting:
            return "refused"
        self._line[place] = None
        return "accepted"

    async def _work(self) -> None:
        while self._line:
            place = url, image_resize_px = next(iter(self._line))
            del self._line[place]
            self._under_way += 1
            try:
                with suppress(CandidateError, EmbedderUnavailableError):
                    await self._pictures.embed_url(url, self._job(image_resize_px))
            finally:
                self._under_way -= 1
                self._count()
        await self._pictures.share()

    def _count(self) -> None:
        metrics.PREFETCH_WAITING.set(len(self._line) + self._under_way)

    def _job(self, image_resize_px: int) -> Job:
        return self._pictures.job(image_resize_px, most_at_once=1, background=True)
