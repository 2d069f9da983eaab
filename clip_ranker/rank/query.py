"""The photos of a request to their unit vectors."""

import asyncio

import numpy as np

from clip_ranker.errors import (
    BadRequestError,
    CandidateError,
    EmbedderUnavailableError,
    EmbedFailedError,
)
from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.rank.photo import decode_base64
from clip_ranker.rank.schema import RankRequest

UPRIGHT, EVERY_QUARTER = (0,), (0, 1, 2, 3)


async def embed_photos(
    request: RankRequest, pictures: Pictures, job: Job
) -> tuple[Embedding, list[bytes]]:
    """The photos, each in one direction or in four.

    Returns:
        Unit vectors, shape (photos, dim); points of interest of each that has any, as it was sent.

    Raises:
        BadRequestError: some cannot be had or read; each of them is named.
        EmbedderUnavailableError: nothing can be embedded at the moment.
    """
    photos = {
        f"query_images_base64[{place}]": text
        for place, text in enumerate(request.query_images_base64 or ())
    }
    if request.query_image_base64 is not None:
        photos = {"query_image_base64": request.query_image_base64}
    ways = [_of_base64(field, text, request, pictures, job) for field, text in photos.items()]
    embedded = await asyncio.gather(
        *(ways or [_of_url(request, pictures, job)]), return_exceptions=True
    )
    wrong = [one for one in embedded if isinstance(one, BadRequestError)]
    if len(wrong) > 1:
        faults = [fault for one in wrong for fault in one.detail]
        raise BadRequestError(f"{wrong[0]} (and {len(wrong) - 1} more)", faults)
    for failure in (*wrong, *embedded):
        if isinstance(failure, BaseException):
            raise failure
    ways_of = [one for one in embedded if not isinstance(one, BaseException)]
    seen = [way for ways in ways_of for way in ways]
    return np.stack([one.embedding for one in seen]), [one.points for one in seen if one.points]


async def _of_base64(
    field: str, text: str, request: RankRequest, pictures: Pictures, job: Job
) -> list[Embedded]:
    """In each direction."""
    data = await asyncio.to_thread(decode_base64, text, field)

    async def turned(quarters: int) -> Embedded:
        source = await pictures.source_of_bytes(data, request.image_resize, quarters)
        return await pictures.embed(source, job, photo=True)

    directions = EVERY_QUARTER if request.any_rotation else UPRIGHT
    try:
        return list(await asyncio.gather(*map(turned, directions)))
    except CandidateError as error:
        raise _refusal(field, error) from error


async def _of_url(request: RankRequest, pictures: Pictures, job: Job) -> list[Embedded]:
    assert request.query_image_url is not None  # the schema wants one of the three
    try:
        found = pictures.find(request.query_image_url, request.image_resize)
        if not isinstance(found, Source):
            return [found]
        await pictures.recall([found])
        return [await pictures.embed(found, job, photo=True)]
    except CandidateError as error:
        raise _refusal("query_image_url", error) from error


def _refusal(field: str, error: CandidateError) -> BadRequestError | EmbedderUnavailableError:
    if isinstance(error, EmbedFailedError):  # the model's fault, or the batch's: not the photo's
        return EmbedderUnavailableError(f"{field}: {error}, try again")
    told = error.told()
    fault = {"field": field, "message": told.pop("detail"), **told}
    return BadRequestError(f"{field}: {error}", [fault])
