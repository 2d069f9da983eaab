"""One request: a photo and listings in, ranks and failures out."""

import asyncio
from collections.abc import Sequence

from clip_ranker import ranking
from clip_ranker.batcher import Embedding
from clip_ranker.errors import BadRequestError, CandidateError, RequestError
from clip_ranker.pictures import Job, Pictures
from clip_ranker.query import decode_base64
from clip_ranker.schema import Failure, Meta, RankRequest, RankResponse, Result, TimingMs

Outcome = Embedding | CandidateError


async def rank(request: RankRequest, pictures: Pictures, model: str) -> RankResponse:
    """Embeds the photo and every candidate at once and puts them in order.

    Args:
        request: validated.
        pictures: where embeddings come from.
        model: name to answer in ``meta.model``.

    Raises:
        BadRequestError: the photo cannot be had or read.
        EmbedderUnavailableError: nothing can be embedded at the moment.
    """
    job = pictures.job(request.image_resize)
    slots = asyncio.Semaphore(request.max_concurrency)
    try:
        with job.lane:
            async with asyncio.TaskGroup() as group:
                query = group.create_task(_query(request, pictures, job))
                tasks = [
                    group.create_task(_candidate(candidate.image_url, pictures, job, slots))
                    for candidate in request.candidates
                ]
    except BaseExceptionGroup as group:
        raise _request_error(group) from group
    return answer(request, model, query.result(), [task.result() for task in tasks], job)


def answer(
    request: RankRequest, model: str, query: Embedding, outcomes: Sequence[Outcome], job: Job
) -> RankResponse:
    """The response, from the photo's embedding and what became of each candidate."""
    scored: list[tuple[str, float]] = []
    failed: list[Failure] = []
    for candidate, outcome in zip(request.candidates, outcomes, strict=True):
        name = candidate.auction_id
        if isinstance(outcome, CandidateError):
            failed.append(Failure(auction_id=name, reason=outcome.reason, detail=str(outcome)))
        else:
            scored.append((name, ranking.cosine(query, outcome)))
    best_first = ranking.order([score for _, score in scored])[: request.top_k]
    return RankResponse(
        results=[
            Result(auction_id=scored[index][0], score=scored[index][1], rank=rank)
            for rank, index in enumerate(best_first, start=1)
        ],
        failed=failed,
        meta=Meta(
            model=model,
            image_resize=request.image_resize,
            candidates=len(request.candidates),
            succeeded=len(scored),
            failed=len(failed),
            timing_ms=TimingMs(
                total=job.clock.total_ms(),
                download=job.clock.spent_ms("download"),
                decode=job.clock.spent_ms("decode"),
                embed=job.clock.spent_ms("embed"),
            ),
        ),
    )


async def _query(request: RankRequest, pictures: Pictures, job: Job) -> Embedding:
    try:
        if request.query_image_base64 is not None:
            field = "query_image_base64"
            photo = await asyncio.to_thread(decode_base64, request.query_image_base64)
            return await pictures.embed_bytes(photo, job)
        field = "query_image_url"
        assert request.query_image_url is not None  # the schema wants one of the two
        return await pictures.embed_url(request.query_image_url, job, asyncio.Semaphore())
    except CandidateError as error:
        raise BadRequestError(
            f"{field}: {error}", [{"field": field, "reason": error.reason, "message": str(error)}]
        ) from error


async def _candidate(url: str, pictures: Pictures, job: Job, slots: asyncio.Semaphore) -> Outcome:
    try:
        return await pictures.embed_url(url, job, slots)
    except CandidateError as error:
        return error


def _request_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to answer with; a group without one is a bug of ours and stays as it is."""
    found: BaseException | None = group.subgroup(RequestError)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found or group
