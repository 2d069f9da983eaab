"""What people say of a ranking: whether a listing is the item of the photo."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from cachetools import TTLCache
from pydantic import BaseModel, Field

from clip_ranker.errors import BadRequestError, NotFoundError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel
from clip_ranker.rank.lenient import Id, Request
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.scores import cosine
from clip_ranker.rank.verdicts import Verdicts, line

REMEMBERED_S = 3600
REMEMBERED_BYTES = 64_000_000
"""Of all rankings that are remembered: 530 of 50 listings at 512 values a vector, 230 at 1280."""
OVERHEAD_BYTES, ID_BYTES = 2000, 200
"""Of a ranking, and of a listing in it, besides vectors and ids; measured with tracemalloc."""
MOST_CHANGES = 2
"""Of a verdict on a listing: each is a line on the disk, and a client could go on for ever."""
Outcome = Literal["written", "known"]


class FeedbackRequest(Request):
    """A verdict on one listing of a ranking."""

    request_id: str = Field(max_length=100, description="`meta.request_id` of the ranking.")
    auction_id: Id = Field(description="Of a listing with a score, as in the ranking.")
    same: bool = Field(description="Whether it is the very item of the photo.")


class FeedbackResponse(BaseModel):
    """What became of the verdict."""

    outcome: Outcome = Field(
        description="`written`, or `known` where the same was said before and nothing was written."
    )


@dataclass(frozen=True)
class Remembered:
    """What a verdict on a ranking is made of.

    Attributes:
        model: that made the vectors.
        vectors: shape (photos + listings, dim), unit length; a copy, so that its bytes are known.
        photos: so many of them.
        rows: of each listing with a score, by ``auction_id``; of the best where that repeats.
        said: verdicts that were written, in turn.
    """

    model: StoredModel
    vectors: Embedding
    photos: int
    rows: dict[str | int, int]
    said: dict[str | int, list[bool]] = field(default_factory=dict)

    def nbytes(self) -> int:
        """Memory that it takes, at most."""
        ids = sum(sys.getsizeof(name) + ID_BYTES for name in self.rows)
        return self.vectors.nbytes + ids + OVERHEAD_BYTES


class Feedback:
    """Remembers rankings for an hour, within a bound of bytes, and writes what is said of them.

    Args:
        verdicts: where they go.
        timer: seconds that only rise.
    """

    def __init__(self, verdicts: Verdicts, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._verdicts = verdicts
        self._remembered: TTLCache[str, Remembered] = TTLCache(
            REMEMBERED_BYTES, REMEMBERED_S, timer, Remembered.nbytes
        )
        # One thread: verdicts are compared and written one after the other.
        self._writer = ThreadPoolExecutor(1, "feedback")

    def remember(self, ranking: Ranking, model: StoredModel) -> str | None:
        """Id of a ranking that has ended; None where it alone is over the bound."""
        scores = {n: one for n, one in ranking.outcomes.items() if isinstance(one, float)}
        best_first = sorted(scores, key=lambda place: (-scores[place], place))
        rows: dict[str | int, int] = {}
        for row, place in enumerate(best_first, start=len(ranking.photos)):
            rows.setdefault(ranking.request.candidates[place].auction_id, row)
        vectors = np.vstack([ranking.photos, *(ranking.embeddings[place] for place in best_first)])
        remembered = Remembered(model, vectors, len(ranking.photos), rows)
        if remembered.nbytes() > REMEMBERED_BYTES:
            return None
        request_id = secrets.token_urlsafe(16)
        self._remembered[request_id] = remembered
        return request_id

    async def accept(self, request: FeedbackRequest) -> FeedbackResponse:
        """Answers when the verdict is written.

        Raises:
            NotFoundError: the ranking or the listing is not known.
            BadRequestError: this verdict was changed too often.
            NotStoredError: it cannot be written.
        """
        remembered = self._remembered.get(request.request_id)
        if remembered is None:
            raise _unknown(
                "request_id", "no ranking of the last hour, or it is forgotten: rank again"
            )
        if request.auction_id not in remembered.rows:
            raise _unknown("auction_id", "this ranking has no listing of that name with a score")
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._writer, self._write, remembered, request)
        return FeedbackResponse(outcome=outcome)

    async def close(self) -> None:
        """Returns once all is written."""
        await asyncio.to_thread(self._writer.shutdown)

    def _write(self, ranking: Remembered, request: FeedbackRequest) -> Outcome:
        name = request.auction_id
        said = ranking.said.setdefault(name, [])
        if said and said[-1] is request.same:  # such as a client that asks twice
            return "known"
        if len(said) > MOST_CHANGES:
            why = f"this verdict was changed {MOST_CHANGES} times: that is as often as it can be"
            raise BadRequestError(f"same: {why}", [{"field": "same", "message": why}])
        listing = ranking.vectors[ranking.rows[name]]
        photo = max(ranking.vectors[: ranking.photos], key=lambda one: cosine(one, listing))
        self._verdicts.append(line(ranking.model, photo, listing, same=request.same))
        said.append(request.same)
        return "written"


def _unknown(field: str, why: str) -> NotFoundError:
    return NotFoundError(f"{field}: {why}", [{"field": field, "message": why}])
