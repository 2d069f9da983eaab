import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clip_ranker.rank import scores as ranking

scores = st.lists(st.floats(-1, 1) | st.sampled_from([0.0, 0.5]), max_size=60)
vectors = arrays(np.float32, 16, elements=st.floats(-1, 1, width=32)).filter(
    lambda vector: np.linalg.norm(vector) > 1e-3
)


@given(scores)
def test_order_is_falling_and_keeps_ties_in_request_order(values: list[float]) -> None:
    order = ranking.order(values)
    assert sorted(order) == list(range(len(values)))
    for before, after in itertools.pairwise(order):
        assert (values[before], -before) > (values[after], -after)


@given(vectors, vectors)
def test_cosine_is_that_of_the_definition(one: np.ndarray, other: np.ndarray) -> None:
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    expected = float(one.astype(np.float64) @ other.astype(np.float64))
    assert abs(ranking.cosine(one, other) - expected) < 1e-6
    assert -1 <= ranking.cosine(one, other) <= 1
    assert ranking.cosine(one, one) > 0.999999
