import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clip_ranker.errors import NotAnImageError
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import cosine, in_order

outcomes = st.lists(st.none() | st.floats(-1, 1) | st.sampled_from([0.0, 0.5]), max_size=60)
vectors = arrays(np.float32, 16, elements=st.floats(-1, 1, width=32)).filter(
    lambda vector: np.linalg.norm(vector) > 1e-3
)


@given(outcomes, st.none() | st.integers(1, 70))
def test_order_is_falling_and_keeps_ties_in_request_order(
    values: list[float | None], top_k: int | None
) -> None:
    request = RankRequest(
        query_image_url="example:cat",
        candidates=[Candidate(auction_id=str(n), image_url="") for n in range(len(values))],
        top_k=top_k,
    )
    failure = NotAnImageError("file_empty")
    results, failed = in_order(
        request,
        {n: failure if value is None else value for n, value in enumerate(values)},
        {n: n for n in range(len(values))},
    )
    assert [failure.auction_id for failure in failed] == [
        str(n) for n, value in enumerate(values) if value is None
    ]
    scored = sum(value is not None for value in values)
    assert [result.rank for result in results] == list(range(1, min(scored, top_k or 99) + 1))
    assert all(result.score == values[int(result.auction_id)] for result in results)
    for before, after in itertools.pairwise(results):
        assert (before.score, -int(before.auction_id)) > (after.score, -int(after.auction_id))


@given(vectors, vectors)
def test_cosine_is_that_of_the_definition(one: np.ndarray, other: np.ndarray) -> None:
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    expected = float(one.astype(np.float64) @ other.astype(np.float64))
    assert abs(cosine(one, other) - expected) < 1e-6
    assert -1 <= cosine(one, other) <= 1
    assert cosine(one, one) > 0.999999
