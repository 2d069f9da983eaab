"""The calls of the API, from a validated request to a response."""

import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from clip_ranker import metrics
from clip_ranker.errors import CandidateError, NotFoundError, RequestError
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.feedback import Feedback, FeedbackRequest, FeedbackResponse
from clip_ranker.rank.models import chosen
from clip_ranker.rank.prefetch import Prefetcher, PrefetchRequest, PrefetchResponse
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.settings import Settings
from clip_ranker.web.request_log import tell

logger = logging.getLogger(__name__)


class Api:
    """Ties the parts together for the life of the process.

    Args:
        pictures: where embeddings come from, by the name of their model; the first is the
            default.
        settings: limits.
        feedback: what takes verdicts, if any are taken.
    """

    def __init__(
        self,
        pictures: Mapping[str, Pictures],
        settings: Settings,
        feedback: Feedback | None = None,
    ) -> None:
        self._pictures = pictures
        self._timeout_s = settings.request_timeout_s
        self._feedback = feedback
        most = settings.max_prefetch
        self._prefetcher = Prefetcher(most_waiting=most if settings.cache_bytes else 0)

    async def rank(self, request: RankRequest) -> RankResponse:
        """Answers once everything is ranked or failed; raises as ``Ranking``."""
        with _refusals(request):
            async with self._ranking(request, early=False) as ranking:
                async for _ in ranking.events():
                    pass
        return self._answer(ranking)

    async def stream(self, request: RankRequest) -> Response:
        """Answers line by line; what is wrong with the photo is raised before the first."""
        async with AsyncExitStack() as held:
            with _refusals(request):
                ranking = await held.enter_async_context(self._ranking(request, early=True))
            return _Stream(self._lines(ranking), held.pop_all())

    async def prefetch(self, request: PrefetchRequest) -> PrefetchResponse:
        """Answers at once."""
        answer = await self._prefetcher.accept(request, chosen(request.model, self._pictures))
        tell(**answer.model_dump())
        return answer

    async def feedback(self, request: FeedbackRequest) -> FeedbackResponse:
        """Answers when the verdict is written; raises as ``Feedback``."""
        outcome = "refused"
        try:
            if self._feedback is None:
                raise NotFoundError("no feedback is taken here: CLIP_FEEDBACK_DIR is not set")
            answer = await self._feedback.accept(request)
            outcome = answer.outcome
        finally:
            metrics.FEEDBACK.labels(outcome).inc()
            tell(feedback=outcome)
        return answer

    async def close(self) -> None:
        """Drops what is prefetched and ends what is under way."""
        if self._feedback is not None:
            await self._feedback.close()
        await self._prefetcher.close()
        await chosen(None, self._pictures).close()

    def _ranking(self, request: RankRequest, *, early: bool) -> Ranking:
        pictures = chosen(request.model, self._pictures)
        return Ranking(request, pictures, timeout_s=self._timeout_s, early=early)

    async def _lines(self, ranking: Ranking) -> AsyncIterator[str]:
        try:
            with _refusals(ranking.request):
                async for index in ranking.events():
                    yield _line(_event(ranking, index))
            answer = self._answer(ranking)
            text = answer.model_dump_json(exclude_none=True)
            yield f'{{"type":"answer","answer":{text}}}\n'
        except RequestError as error:
            yield _line({"type": "error", "error": str(error), "detail": error.detail})
        except Exception:
            logger.exception("a stream broke off")
            text = "something went wrong in the service, its log tells what"
            yield _line({"type": "error", "error": text, "detail": []})

    def _answer(self, ranking: Ranking) -> RankResponse:
        answer = ranking.answer()
        if self._feedback is not None:
            model = chosen(ranking.request.model, self._pictures).model
            answer.meta.request_id = self._feedback.remember(ranking, model)
        _report(answer)
        return answer


class _Stream(StreamingResponse):
    """Lines of JSON; ends the ranking whether or not the client stayed for the first of them."""

    def __init__(self, lines: AsyncIterator[str], held: AsyncExitStack) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(lines, headers=headers, media_type="application/x-ndjson")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


def _event(ranking: Ranking, index: int) -> dict[str, Any]:
    candidates, outcome = ranking.request.candidates, ranking.outcomes[index]
    place = {"index": index, "auction_id": candidates[index].auction_id}
    progress = {"done": len(ranking.outcomes), "candidates": len(candidates)}
    if isinstance(outcome, CandidateError):
        return {"type": "failed", **place, **outcome.told(), **progress}
    return {"type": "scored", **place, "score": outcome, **ranking.meaning(outcome), **progress}


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"


@contextmanager
def _refusals(request: RankRequest) -> Iterator[None]:
    """A request that gets no ranking tells how large it was, a stream how it ended."""
    try:
        yield
    except RequestError as error:
        tell(status=error.status, candidates=len(request.candidates), error=str(error))
        raise


def _report(answer: RankResponse) -> None:
    """Counts a finished request, and tells its line in the log."""
    meta = answer.meta
    reasons = Counter(failure.reason for failure in answer.failed)
    stages = meta.timing_ms.model_dump(exclude_none=True)
    for outcome, count in {"ranked": meta.succeeded, **reasons}.items():
        metrics.CANDIDATES.labels(outcome).inc(count)
    for stage, spent_ms in stages.items():
        metrics.STAGE_SECONDS.labels(stage).observe(spent_ms / 1000)
    tell(
        candidates=meta.candidates,
        succeeded=meta.succeeded,
        cached=meta.cached,
        failed=dict(reasons),
        partial=meta.partial,
        ms={stage: round(spent_ms) for stage, spent_ms in stages.items()},
    )
