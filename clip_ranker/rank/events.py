"""What a stream tells, line by line."""

from typing import Literal

from pydantic import BaseModel, Field

from clip_ranker.models.calibration import Match
from clip_ranker.rank.schema import MATCH, PROBABILITY, Failure, RankResponse


class Progress(BaseModel):
    """What every event about one candidate tells."""

    index: int = Field(description="Position in the request's `candidates`.")
    auction_id: str | int = Field(description="As in the request.")
    done: int = Field(description="Candidates settled so far, this one included.")
    candidates: int = Field(description="Candidates in the request.")


class ScoredEvent(Progress):
    """A candidate has its score."""

    type: Literal["scored"] = Field(description="What happened.")
    score: float = Field(
        description="Cosine similarity to the photo, -1 to 1, unrounded; titles count in the "
        "answer only."
    )
    match: Match | None = Field(None, description=MATCH)
    probability: float | None = Field(None, description=PROBABILITY)


class FailedEvent(Failure, Progress):
    """A candidate will have none."""

    type: Literal["failed"] = Field(description="What happened.")


class AnswerEvent(BaseModel):
    """The last event of a stream."""

    type: Literal["answer"] = Field(description="What happened.")
    answer: RankResponse = Field(description="What /rank would have answered.")
