"""One request: a photo and listings in, ranks and failures out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Self

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
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank import scores
from clip_ranker.rank.photo import decode_base64
from clip_ranker.rank.schema import Failure, Meta, RankRequest, RankResponse, Result, TimingMs

Outcome = float | CandidateError
"""Of one candidate: its score, or why it has none."""


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
        self.cached = 0
        self.partial = False
        self.job = pictures.job(
            request.image_resize, most_at_once=request.max_concurrency, early=early
        )
        self._pictures = pictures
        self._timeout_s = timeout_s
        if request.deadline_ms is not None:
            self._timeout_s = min(timeout_s, request.deadline_ms / 1000)
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived: asyncio.Queue[tuple[int, Embedding | Exception]] = asyncio.Queue()
        self._recalled = asyncio.Event()
        self._query: Embedding

    async def __aenter__(self) -> Self:
        self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        query = asyncio.create_task(self._embed_query())
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._pictures.recall(self._urls(), self.job)
                self._recalled.set()
                self._start()
                # Shielded: it must not be cancelled before the job is known to be late.
                self._query = await asyncio.shield(query)
        except BaseException as error:
            if isinstance(error, TimeoutError):
                self._pictures.give_up(self.job)
            query.cancel()
            self._stop()
            if self.job.late:
                raise DeadlineError(
                    f"the photo was not embedded within {self._timeout_s:g} s, try again"
                ) from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()

    async def events(self) -> AsyncIterator[int]:
        """Position of each candidate whose outcome is there, as they come, until the deadline."""
        while len(self.outcomes) < len(self.request.candidates):
            try:
                async with asyncio.timeout_at(self._deadline):
                    index, arrived = await self._arrived.get()
            except TimeoutError:
                break
            self.outcomes[index] = self._outcome(arrived)
            yield index
        if len(self.outcomes) < len(self.request.candidates):
            self.partial = True
            self._pictures.give_up(self.job)
        for index in range(len(self.request.candidates)):
            if index not in self.outcomes:
                self.outcomes[index] = TimedOutError(
                    "not ranked before the request's deadline, quicker the next time"
                )
                yield index

    def answer(self, model: str) -> RankResponse:
        """The response, once ``events`` has ended."""
        scored: list[tuple[str, float]] = []
        failed: list[Failure] = []
        for index, candidate in enumerate(self.request.candidates):
            name, outcome = candidate.auction_id, self.outcomes[index]
            if isinstance(outcome, CandidateError):
                failed.append(Failure(auction_id=name, reason=outcome.reason, detail=str(outcome)))
            else:
                scored.append((name, outcome))
        best_first = scores.order([score for _, score in scored])[: self.request.top_k]
        return RankResponse(
            results=[
                Result(auction_id=scored[index][0], score=scored[index][1], rank=rank)
                for rank, index in enumerate(best_first, start=1)
            ],
            failed=failed,
            meta=Meta(
                model=model,
                image_resize=self.request.image_resize,
                candidates=len(self.request.candidates),
                succeeded=len(scored),
                failed=len(failed),
                cached=self.cached,
                partial=self.partial,
                timing_ms=TimingMs(
                    total=self.job.clock.total_ms(),
                    download=self.job.clock.spent_ms("download"),
                    decode=self.job.clock.spent_ms("decode"),
                    embed=self.job.clock.spent_ms("embed"),
                ),
            ),
        )

    def _urls(self) -> Iterator[str]:
        if self.request.query_image_base64 is None and self.request.query_image_url is not None:
            yield self.request.query_image_url
        for candidate in self.request.candidates:
            yield candidate.image_url

    def _start(self) -> None:
        for index, candidate in enumerate(self.request.candidates):
            try:
                known = self._pictures.known(candidate.image_url, self.job)
            except CandidateError as failure:
                self._arrived.put_nowait((index, failure))
                continue
            metrics.CACHE.labels("miss" if known is None else "hit").inc()
            if known is not None:
                self.cached += 1
                self._arrived.put_nowait((index, known))
            else:
                work = self._embed_candidate(index, candidate.image_url)
                self._tasks.append(asyncio.create_task(work))

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _outcome(self, arrived: Embedding | Exception) -> Outcome:
        if isinstance(arrived, CandidateError):
            return arrived
        if isinstance(arrived, Exception):
            raise arrived
        return scores.cosine(self._query, arrived)

    async def _embed_candidate(self, index: int, url: str) -> None:
        arrived: Embedding | Exception
        try:
            arrived = await self._pictures.embed_url(url, self.job)
        except Exception as error:  # noqa: BLE001 raised again where the outcomes are read
            arrived = error
        self._arrived.put_nowait((index, arrived))

    async def _embed_query(self) -> Embedding:
        text, url = self.request.query_image_base64, self.request.query_image_url
        field = "query_image_base64" if text is not None else "query_image_url"
        try:
            if text is not None:
                photo = await asyncio.to_thread(decode_base64, text)
                return await self._pictures.embed_bytes(photo, self.job)
            assert url is not None  # the schema wants one of the two
            await self._recalled.wait()
            return await self._pictures.embed_url(url, self.job, first=True)
        except EmbedFailedError as error:  # the model's fault, or the batch's: not the photo's
            raise EmbedderUnavailableError(f"{field}: {error}, try again") from error
        except CandidateError as error:
            raise BadRequestError(
                f"{field}: {error}",
                [{"field": field, "reason": error.reason, "message": str(error)}],
            ) from error
