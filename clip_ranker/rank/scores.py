"""Vectors to ranks. Pure functions."""

from collections.abc import Mapping

import numpy as np

from clip_ranker.errors import CandidateError
from clip_ranker.models.encoder import Embedding
from clip_ranker.rank.schema import Failure, RankRequest, Result

Outcome = float | CandidateError
"""Of one candidate: its score, or why it has none."""


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


def in_order(
    request: RankRequest, outcomes: Mapping[int, Outcome]
) -> tuple[list[Result], list[Failure]]:
    """What is ranked, best first and ``top_k`` of it, and what is not; in request order on ties.

    Args:
        request: names the candidates.
        outcomes: of each, by its position.
    """
    scored: list[tuple[str | int, float]] = []
    failed: list[Failure] = []
    for index, candidate in enumerate(request.candidates):
        name, outcome = candidate.auction_id, outcomes[index]
        if isinstance(outcome, CandidateError):
            failed.append(Failure(auction_id=name, reason=outcome.reason, detail=str(outcome)))
        else:
            scored.append((name, outcome))
    best_first = sorted(scored, key=lambda one: -one[1])[: request.top_k]
    results = [
        Result(auction_id=name, score=score, rank=rank)
        for rank, (name, score) in enumerate(best_first, start=1)
    ]
    return results, failed
