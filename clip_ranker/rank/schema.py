"""What the API takes and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from clip_ranker.errors import CandidateError
from clip_ranker.models.calibration import Match
from clip_ranker.rank.lenient import NUMBER, Photo, Request, Score, Share, Url, Whole
from clip_ranker.rank.listing import Candidates
from clip_ranker.rank.words import WITH_WORDS, Words
from clip_ranker.settings import get_settings

MODEL = "Name of the model to rank with, one that `/models` lists; its `default` when left out."


class RankRequest(Request):
    """A photo and the listings to put in order of their likeness to it."""

    one_of = frozenset({"query_image_base64", "query_images_base64", "query_image_url"})

    query_image_base64: Photo | None = Field(
        None,
        description="The photo, base64; a `data:` prefix, white space and the URL-safe "
        "alphabet are fine. Wins over `query_image_url`.",
    )
    query_images_base64: Annotated[list[Photo], Field(min_length=1, max_length=4)] | None = Field(
        None,
        description="Instead of one photo, 1 to 4 of the same item; a listing counts as much "
        "alike as it is to the photo that it is most like.",
    )
    query_image_url: Url | None = Field(
        None, description="URL of the photo; downloaded under the same rules as a candidate."
    )
    any_rotation: bool = Field(
        default=False,
        description="The photo, sent as base64, may lie on its side or head: a listing counts as "
        "alike as it is to the best of four directions. Takes three more embeddings a photo.",
    )
    candidates: Candidates = Field(
        max_length=get_settings().max_candidates, description="The listings; may be empty."
    )
    top_k: Annotated[int, Field(ge=1), NUMBER] | None = Field(
        None, description="How many results to answer; all when left out."
    )
    min_score: Score | None = Field(
        None,
        description="Leave results with a lower score out; `meta.below_min_score` counts them.",
    )
    max_concurrency: Whole = Field(
        10, ge=1, le=50, description="Candidates downloaded and decoded at once."
    )
    deadline_ms: Annotated[int, Field(ge=100, le=60_000), NUMBER] | None = Field(
        None,
        description="Answer after so many milliseconds with what is ranked by then; "
        "the rest fails with `timed_out`, and is quicker the next time.",
    )
    image_resize: Whole = Field(
        768, ge=224, le=2048, description="Longest side in pixels before the model's own resize."
    )
    model: str | None = Field(None, description=MODEL)
    group_duplicates: bool = Field(
        default=False,
        description="Answer listings that show the same picture as one result, the best of them, "
        "with the others in its `duplicates`; `top_k` then counts these.",
    )
    query_text: Words = Field(
        None, description="Words for the item, such as its name or number; titles count then."
    )
    title_weight: Share | None = Field(
        None,
        description="How much titles count, 0 (not at all) to 1 (where there is one, alone); when "
        f"left out {WITH_WORDS:g} with `query_text`, else 0.",
    )

    @model_validator(mode="after")
    def _needs_a_query(self) -> "RankRequest":
        sent = {name for name in self.one_of if getattr(self, name) is not None}
        if not sent:
            raise ValueError("send query_image_base64 (the photo) or query_image_url")
        if sent >= {"query_image_base64", "query_images_base64"}:
            raise ValueError("send query_image_base64 or query_images_base64, not both")
        if self.any_rotation and sent == {"query_image_url"}:
            raise ValueError("any_rotation turns a photo sent as query_image_base64, not a URL's")
        return self


MATCH = "Band of the score; only with a calibration, with one photo, where titles do not count."
PROBABILITY = "That it shows the same item, 0 to 1; there with `match`."


class Result(BaseModel):
    """One ranked candidate."""

    auction_id: str | int = Field(description="As in the request.")
    score: float = Field(
        description="Cosine similarity to the photo, -1 to 1, unrounded; where titles count, the "
        "weighted mean of `image_score` and `text_score`."
    )
    rank: int = Field(ge=1, description="1 is the most similar.")
    image_score: float | None = Field(None, description="Its cosine alone, where titles count.")
    text_score: float | None = Field(
        None,
        description="Likeness by title and words, moved onto the scale of this request's "
        "`image_score`; there only where titles count and tell something of this listing.",
    )
    agreeing_points: int | None = Field(
        None,
        description="Points of interest that lie in its picture as in the photo; there only with "
        "`CLIP_LOCAL_FEATURES` and from 12 on, of the first ten pictures by score. Goes before "
        "`score` in the order.",
    )
    match: Match | None = Field(None, description=MATCH)
    probability: float | None = Field(None, description=PROBABILITY)
    group: int | None = Field(
        None,
        ge=1,
        description="The same number for all listings of this answer that show one picture, in "
        "rank order from 1; left out where no other listing has it.",
    )
    duplicates: list[str | int] | None = Field(
        None,
        description="Listings with the same picture, by `auction_id`, in rank order; there only "
        "with `group_duplicates`.",
    )


class Failure(BaseModel):
    """One candidate that could not be ranked."""

    auction_id: str | int = Field(description="As in the request.")
    reason: str = Field(
        description="Why, for programs.",
        json_schema_extra={"enum": [kind.reason for kind in CandidateError.__subclasses__()]},
    )
    detail: str = Field(description="What happened, for people, in English.")
    detail_code: str | None = Field(
        None, description="The same for programs, more closely than `reason`; never renamed."
    )
    detail_params: dict[str, str | int | float] | None = Field(
        None, description="What `detail` names: numbers, hosts, formats, by name."
    )


class TimingMs(BaseModel):
    """Milliseconds of wall clock during which this request had a picture in that stage.

    The stages overlap, so they add up to more than `total`.
    """

    total: float = Field(description="From the parsed request to the answer.")
    download: float = Field(description="Waiting for a place included, to the last byte.")
    decode: float = Field(description="Waiting for a process included.")
    embed: float = Field(description="Waiting for the embedder included.")
    text: float | None = Field(None, description="Of words and titles, where these count.")


class Meta(BaseModel):
    """How the request went."""

    model: str = Field(description="Name of the model in the store that answered.")
    image_resize: int = Field(description="As in the request.")
    candidates: int = Field(description="Candidates in the request.")
    succeeded: int = Field(description="Candidates with a score, whatever `top_k` is.")
    failed: int = Field(description="Candidates without a score.")
    below_min_score: int | None = Field(
        None, description="Candidates with a score below `min_score`; there only with that."
    )
    cached: int = Field(description="Candidates whose embedding was known already.")
    duplicates: int = Field(
        description="Candidates whose picture is that of another with as good a score or a better."
    )
    partial: bool = Field(description="True when the deadline cut the work short.")
    timing_ms: TimingMs = Field(description="Where the time went.")
    text_method: Literal["model", "lexical"] | None = Field(
        None,
        description="How texts were compared: by the model, or the words with the titles by their "
        "spelling; there only where titles count.",
    )
    request_id: str | None = Field(
        None, description="For /feedback; there only where the service takes any."
    )


class RankResponse(BaseModel):
    """Results by `agreeing_points`, then score, and failures; both in request order on ties."""

    results: list[Result] = Field(description="Most similar first; `top_k` of them at most.")
    failed: list[Failure] = Field(description="Each candidate that is not ranked, and why.")
    meta: Meta = Field(description="How the request went.")
