"""One request: a photo and listings in, ranks and failures out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from clip_ranker import metrics
from clip_ranker.errors import CandidateError, DeadlineError, TimedOutError
from clip_ranker.models.calibration import Calibration
from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.rank.blend import Blended
from clip_ranker.rank.groups import same_pictures
from clip_ranker.rank.local_features import look_again
from clip_ranker.rank.query import embed_photos
from clip_ranker.rank.schema import Meta, RankRequest, RankResponse, TimingMs
from clip_ranker.rank.scores import Meaning, Outcome, in_order, meaning, score
from clip_ranker.rank.titles import Titles


class Ranking:
    """One request under way, as an async context manager.

    Entering embeds the photo, with every candidate on its way at the same time; leaving stops
    what is not done, but for what had begun when the deadline passed: that goes into the cache.

    Args:
        request: validated.
        pictures: where embeddings come from.
        timeout_s: the longest a request may take, whatever its own deadline says.
        early: the first outcome is wanted soon, at some cost to all of them together.

    Attributes:
        outcomes: of each candidate that is settled, by its position; until ``events`` has ended
            by its picture alone.
        embeddings: of those with a score, shape (dim,) each.
        photos: shape (photos, dim), once entered.

    Raises:
        BadRequestError: at once, titles cannot count; on entering, the photo cannot be had or read.
        EmbedderUnavailableError: at any time, nothing can be embedded at the moment.
        DeadlineError: on entering, the photo was not embedded in time.
    """

    def __init__(
        self, request: RankRequest, pictures: Pictures, *, timeout_s: float, early: bool = False
    ) -> None:
        self.request = request
        self.outcomes: dict[int, Outcome] = {}
        self.embeddings: dict[int, Embedding] = {}
        self._seen: dict[int, Embedded] = {}
        self._blended: dict[int, Blended] | None = None
        self.cached = 0
        self.partial = False
        self._job = Job(request.max_concurrency, early=early)
        self._titles = Titles(request, pictures, self._job)
        self._pictures = pictures
        self._timeout_s = timeout_s
        if request.deadline_ms is not None:
            self._timeout_s = min(timeout_s, request.deadline_ms / 1000)
        self._tasks: list[asyncio.Task[Any]] = []
        self._arrived: asyncio.Queue[tuple[int, Embedded | Exception]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._job.deadline = asyncio.get_running_loop().time() + self._timeout_s
        photos = asyncio.create_task(embed_photos(self.request, self._pictures, self._job))
        self._tasks += photos, self._titles.begin(photos)
        try:
            async with asyncio.timeout_at(self._job.deadline):
                await self._begin_candidates()
                # Shielded: it must not be cancelled before the job is known to be late.
                self.photos, self._points = await asyncio.shield(photos)
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
                async with asyncio.timeout_at(self._job.deadline):
                    index, arrived = await self._arrived.get()
            except TimeoutError:
                break
            if isinstance(arrived, CandidateError):
                self.outcomes[index] = arrived
            elif isinstance(arrived, Exception):
                raise arrived
            else:
                self.embeddings[index] = arrived.embedding
                self._seen[index] = arrived
                self.outcomes[index] = score(self.photos, arrived.embedding)
            yield index
        if len(self.outcomes) < len(self.request.candidates):
            self.partial = True
            self._job.late = True
            await self._end()
        for index in range(len(self.request.candidates)):
            if index not in self.outcomes:
                self.outcomes[index] = TimedOutError("deadline")
                yield index
        titles = self._titles
        self._blended = await titles.blended(
            self.photos, self.embeddings, self.outcomes, self._job.deadline
        )
        self.partial |= titles.late
        self.outcomes |= {n: one.score for n, one in (self._blended or {}).items()}
        # A thousand pictures take longer than the event loop may be kept.
        fingerprints = {n: one.fingerprint for n, one in self._seen.items()}
        self._groups = await asyncio.to_thread(same_pictures, fingerprints)
        self._agreeing = await look_again(
            self._points, self._seen, self.outcomes, self._groups, self._job.deadline
        )
        self.partial |= self._agreeing is None

    def meaning(self, score: float) -> Meaning:
        """Band and probability of a score; known of a plain cosine similarity to one photo."""
        return meaning(score, self._calibration)

    def answer(self) -> RankResponse:
        """The response, once ``events`` has ended."""
        clock, groups = self._job.clock, self._groups
        results, failed = in_order(
            self.request, self.outcomes, groups, self._calibration, self._blended, self._agreeing
        )
        scores = [outcome for outcome in self.outcomes.values() if isinstance(outcome, float)]
        least = self.request.min_score
        return RankResponse(
            results=results,
            failed=failed,
            meta=Meta(
                model=self._pictures.model.name,
                image_resize=self.request.image_resize,
                candidates=len(self.request.candidates),
                succeeded=len(self.outcomes) - len(failed),
                failed=len(failed),
                below_min_score=None if least is None else sum(one < least for one in scores),
                cached=self.cached,
                duplicates=len(groups) - len(set(groups.values())),
                partial=self.partial,
                text_method=self._titles.method if self._blended is not None else None,
                timing_ms=TimingMs(total=clock.total_ms(), **clock.spent_ms()),
            ),
        )

    @property
    def _calibration(self) -> Calibration | None:
        plain = len(self.photos) == 1 and self._titles.method is None
        return self._pictures.model.calibration if plain else None

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

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
