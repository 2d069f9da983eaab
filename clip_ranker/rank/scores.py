"""Vectors to ranks. Pure functions."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from clip_ranker.errors import CandidateError
from clip_ranker.models.calibration import Calibration, Match
from clip_ranker.models.encoder import Embedding
from clip_ranker.rank.blend import Blended
from clip_ranker.rank.schema import Failure, RankRequest, Result

Outcome = float | CandidateError
"""Of one candidate: its score, or why it has none."""


class Meaning(TypedDict, total=False):
    """What a score says of the item; empty where nothing is known."""

    match: Match
    probability: float


def cosine(query: Embedding, embedding: Embedding) -> float:
    """Cosine similarity of two unit vectors.

    Args:
        query: shape (width,), unit length.
        embedding: shape (width,), unit length.

    Returns:
        Their dot product, summed in float64 so that the order of summation does not decide
        ties, clipped to [-1, 1].
    """
    product = float(np.dot(query.astype(np.float64), embedding.astype(np.float64)))
    return min(1.0, max(-1.0, product))


def score(photos: Embedding, listing: Embedding) -> float:
    """Cosine similarity of a listing to the photo that it is most like.

    Args:
        photos: shape (photos, width), of the same item, unit length each.
        listing: shape (width,), unit length.
    """
    return max(cosine(photo, listing) for photo in photos)


def meaning(score: float, calibration: Calibration | None) -> Meaning:
    """Band and probability of a score."""
    if calibration is None:
        return {}
    return {"match": calibration.match(score), "probability": calibration.probability(score)}


def in_order(
    request: RankRequest,
    outcomes: Mapping[int, Outcome],
    groups: Mapping[int, int],
    calibration: Calibration | None = None,
    blended: Mapping[int, Blended] | None = None,
    agreeing: Mapping[int, int] | None = None,
) -> tuple[list[Result], list[Failure]]:
    """What is ranked, best first, and what is not; in request order on ties.

    What is below ``min_score`` is left out first; ``top_k`` counts what is answered of the rest.

    Args:
        request: names the candidates; says whether a group is answered as one, by its best.
        outcomes: of each, by its position.
        groups: of each with a score, the same for all that show one picture.
        calibration: of these scores, if there is one.
        blended: their parts, where titles count.
        agreeing: points that agree with the photo, where enough do; goes before the score.
    """
    parts, points = blended or {}, agreeing or {}
    scored: dict[int, float] = {}
    failed: list[Failure] = []
    for index, candidate in enumerate(request.candidates):
        name, outcome = candidate.auction_id, outcomes[index]
        if isinstance(outcome, CandidateError):
            failed.append(Failure(auction_id=name, **outcome.told()))
        elif request.min_score is None or outcome >= request.min_score:
            scored[index] = outcome
    ids = [candidate.auction_id for candidate in request.candidates]
    best_first = sorted(scored, key=lambda index: (-points.get(index, 0), -scored[index]))
    members: dict[int, list[int]] = {}  # best group first, and best member
    for index in best_first:
        members.setdefault(groups[index], []).append(index)
    shared = (group for group, same in members.items() if len(same) > 1)
    numbers = {group: number for number, group in enumerate(shared, start=1)}
    one_each = request.group_duplicates
    answered = [same[0] for same in members.values()] if one_each else best_first
    results = [
        Result(
            auction_id=ids[index],
            score=scored[index],
            rank=rank,
            group=numbers.get(groups[index]),
            duplicates=[ids[same] for same in members[groups[index]][1:]] if one_each else None,
            image_score=parts[index].picture if index in parts else None,
            text_score=parts[index].text if index in parts else None,
            agreeing_points=points.get(index),
            **meaning(scored[index], calibration),
        )
        for rank, index in enumerate(answered[: request.top_k], start=1)
    ]
    return results, failed
