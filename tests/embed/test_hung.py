import threading

import numpy as np
import pytest

from clip_ranker.embed.hung import Watched, hung_after_s
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from tests.running import wait_until

ONE = np.zeros((1, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("pictures", "one_picture_s", "limit_s"),
    [
        (1, 0.07, 10),
        (16, 0.07, 10),
        (16, 0.15, 12),  # five times
        (16, 0.2, 14),
        (16, 0.43, 14),
        (16, 0.5, 16),  # twice
        (256, 0.07, 256 * 0.07 * 2),
    ],
)
def test_a_call_counts_as_hung_in_time_for_an_answer_but_not_on_a_slow_machine(
    pictures: int, one_picture_s: float, limit_s: float
) -> None:
    expected_s = pictures * one_picture_s
    assert hung_after_s(expected_s, 10) == pytest.approx(limit_s)
    assert hung_after_s(expected_s, 60) == 60


def test_a_running_call_does_not_keep_anybody_from_asking_whether_it_hangs() -> None:
    began, go = threading.Event(), threading.Event()

    def encode(pixels: Pixels) -> Embedding:
        began.set()
        go.wait()
        return np.ones((len(pixels), 4), np.float32)

    patient, impatient = Watched(encode, timeout_s=3600), Watched(encode, timeout_s=0.1)
    for watched in (patient, impatient):
        began.clear()
        thread = threading.Thread(target=watched, args=(ONE,))
        thread.start()
        began.wait()
        assert watched is impatient or watched.well
        wait_until(lambda: watched.well is (watched is patient))  # noqa: B023
        go.set()
        thread.join()
        assert watched.well
        go.clear()


@pytest.mark.parametrize("trouble", ["raises", "no vectors"])
def test_a_model_that_failed_last_is_not_well(trouble: str) -> None:
    broken = True

    def encode(pixels: Pixels) -> Embedding:
        if broken and trouble == "raises":
            raise RuntimeError
        return np.full((len(pixels), 4), np.nan if broken else 1, np.float32)

    watched = Watched(encode, timeout_s=60)
    assert watched.well
    if trouble == "raises":
        with pytest.raises(RuntimeError):
            watched(ONE)
    else:
        watched(ONE)
    assert not watched.well
    broken = False
    watched(ONE)
    assert watched.well
