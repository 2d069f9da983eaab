"""One request: a photo and listings in, ranks and failures out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from clip_ranker import metrics
from clip_ranker.errors import (
    BadRequestError,
    CandidateError,
    DeadlineError,
    EmbedderUnavailableError,
    EmbedFailedError,
    TimedOutError,
)
from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.rank.groups import same_pictures
from clip_ranker.rank.photo import decode_base64
from clip_ranker.rank.schema import Meta, RankRequest, RankResponse, TimingMs
from clip_ranker.rank.scores import Outcome, cosine, in_order


class Ranking:
    """One request under way, as an async context manager.

    Entering embeds the photo, with every candidate on its way at the same time; leaving stops
    what is not done, but for what had begun when the deadline passed: that goes into the cache.

    Args:
        request: validated.
        pictures: where embeddings come from.
        timeout_s: the longest a request may take, whatever its own deadline says.
        early: the first outcome is wanted soon, at some cost to all of them together.

    Raises:
        BadRequestError: on entering, the photo cannot be had or read.
        EmbedderUnavailableError: at any time, nothing can be embedded at the moment.
        DeadlineError: on entering, the photo was not embedded in time.
    """

    def __init__(
        self, request: RankRequest, pictures: Pictures, *, timeout_s: float, early: bool = False
    ) -> None:
        self.request = request
        self.outcomes: dict[int, Outcome] = {}
        self._fingerprints: dict[int, bytes] = {}
        self.cached = 0
        self.partial = False
        self._job = Job(request.max_concurrency, early=early)
        self._pictures = pictures
        self._timeout_s = timeout_s
        if request.deadline_ms is not None:
            self._timeout_s = min(timeout_s, request.deadline_ms / 1000)
        self._tasks: list[asyncio.Task[Any]] = []
        self._arrived: asyncio.Queue[tuple[int, Embedded | Exception]] = asyncio.Queue()
        self._query: Embedding

    async def __aenter__(self) -> Self:
        self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        self._tasks.append(photo := asyncio.create_task(self._embed_photo()))
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._begin_candidates()
                # Shielded: it must not be cancelled before the job is known to be late.
                self._query = await asyncio.shield(photo)
        except BaseException as error:
            self._job.late = isinstance(error, TimeoutError)
            await self._end()
            if self._job.late:
                raise DeadlineError(
                    f"the photo was not embedded within {self._timeout_s:g} s, try again"
                ) from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def events(self) -> AsyncIterator[int]:
        """Position of each candidate whose outcome is there, as they come, until the deadline."""
        while len(self.outcomes) < len(self.request.candidates):
            try:
                async with asyncio.timeout_at(self._deadline):
                    index, arrived = await self._arrived.get()
            except TimeoutError:
                break
            if isinstance(arrived, CandidateError):
                self.outcomes[index] = arrived
            elif isinstance(arrived, Exception):
                raise arrived
            else:
                self._fingerprints[index] = arrived.fingerprint
                self.outcomes[index] = cosine(self._query, arrived.embedding)
            yield index
        if len(self.outcomes) < len(self.request.candidates):
            self.partial = True
            self._job.late = True
            await self._end()
        for index in range(len(self.request.candidates)):
            if index not in self.outcomes:
                self.outcomes[index] = TimedOutError(
                    "not ranked before the request's deadline, quicker the next time"
                )
                yield index

    def answer(self, model: str) -> RankResponse:
        """The response, once ``events`` has ended."""
        clock, groups = self._job.clock, same_pictures(self._fingerprints)
        results, failed = in_order(self.request, self.outcomes, groups)
        return RankResponse(
            results=results,
            failed=failed,
            meta=Meta(
                model=model,
                image_resize=self.request.image_resize,
                candidates=len(self.request.candidates),
                succeeded=len(self.outcomes) - len(failed),
                failed=len(failed),
                cached=self.cached,
                duplicates=len(groups) - len(set(groups.values())),
                partial=self.partial,
                timing_ms=TimingMs(total=clock.total_ms(), **clock.spent_ms()),
            ),
        )

    async def _begin_candidates(self) -> None:
        """Sends every candidate on its way, or straight to its outcome."""
        sources: dict[int, Source] = {}
        for index, candidate in enumerate(self.request.candidates):
            try:
                found = self._pictures.find(candidate.picture_url(), self.request.image_resize)
            except CandidateError as failure:
                self._arrived.put_nowait((index, failure))
                continue
            if isinstance(found, Source):
                sources[index] = found
            else:
                self._hit(index, found)
        await self._pictures.recall(sources.values())
        for index, source in sources.items():
            if (known := self._pictures.known(source)) is not None:
                self._hit(index, known)
            else:
                metrics.CACHE.labels("miss").inc()
                self._tasks.append(asyncio.create_task(self._embed_candidate(index, source)))

    def _hit(self, index: int, known: Embedded) -> None:
        self.cached += 1
        metrics.CACHE.labels("hit").inc()
        self._arrived.put_nowait((index, known))

    async def _embed_candidate(self, index: int, source: Source) -> None:
        arrived: Embedded | Exception
        try:
            arrived = await self._pictures.embed(source, self._job)
        except Exception as error:  # noqa: BLE001 raised again where the outcomes are read
            arrived = error
        self._arrived.put_nowait((index, arrived))

    async def _embed_photo(self) -> Embedding:
        text, url = self.request.query_image_base64, self.request.query_image_url
        field = "query_image_base64" if text is not None else "query_image_url"
        size = self.request.image_resize
        try:
            if text is not None:
                data = await asyncio.to_thread(decode_base64, text)
                source = await self._pictures.source_of_bytes(data, size)
            else:
                assert url is not None  # the schema wants one of the two
                found = self._pictures.find(url, size)
                if not isinstance(found, Source):
                    return found.embedding
                await self._pictures.recall([source := found])
            return (await self._pictures.embed(source, self._job, photo=True)).embedding
        except EmbedFailedError as error:  # the model's fault, or the batch's: not the photo's
            raise EmbedderUnavailableError(f"{field}: {error}, try again") from error
        except CandidateError as error:
            raise BadRequestError(
                f"{field}: {error}",
                [{"field": field, "reason": error.reason, "message": str(error)}],
            ) from error

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
