"""Quotas: how far decoding goes ahead, and what a call of the model holds."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clip_ranker.fair_queue import Picture, Request
from clip_ranker.turns import BACKGROUND_MOST, MostBefore, ToEmbed, Turns

BATCH, MOST = 16, 20
"""Pictures in a call, and in one of a few more where that makes fewer calls."""
PIXELS = np.zeros((2, 2, 3), np.uint8)


async def embed(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The only model, where a test has no other."""
    return np.ones((len(pixels), 1), np.float32)


Embed = Callable[[NDArray[np.uint8]], Awaitable[NDArray[np.float32]]]


class Line:
    """Pictures on their way from decoding to the model, a step at a time."""

    def __init__(self, *, decoders: int = 2, downloads: int = 64) -> None:
        self._loop = asyncio.new_event_loop()
        self.turns = Turns(downloads=downloads, decoders=decoders, max_batch_size=BATCH)

    def close(self) -> None:
        self._loop.close()

    def come(self, *requests: Request, count: int = 1, photo: bool = False) -> list[Picture]:
        """So many pictures that all these want are downloaded."""
        pictures = [Picture() for _ in range(count)]
        for picture in pictures:
            for request in requests:
                picture.want(request, photo=photo)
            self.turns.decoding.put(picture, self._loop.create_future())
        self.turns.hand_out()
        return pictures

    def decode(self) -> None:
        """All that is being decoded, and what begins behind it."""
        while held := list(self.turns.decoding.held):
            for picture in held:
                ready = ToEmbed(PIXELS, embed, self._loop.create_future())
                self.turns.to_embed.put(picture, ready)
                self.turns.decoding.release(picture)
                self.turns.hand_out()

    def call(self, most_before: MostBefore = lambda *_: math.inf) -> list[Picture]:
        """One call of the model."""
        pictures = list(self.turns.next_call(most_before))
        for picture in pictures:
            self.turns.end(picture)
        return pictures

    def calls(self) -> list[list[Picture]]:
        """Calls until all is done, with everything decoded that may be before each."""
        calls = []
        self.decode()
        while pictures := self.call():
            calls.append(pictures)
            self.decode()
        return calls


def sizes(calls: list[list[Picture]]) -> list[int]:
    return [len(call) for call in calls]


def test_no_more_is_decoded_than_the_next_call_takes() -> None:
    line, request = Line(), Request(50)
    line.come(request, count=40)
    line.decode()
    assert line.turns.to_embed.waiting_for(request) == MOST
    assert sizes(line.calls()) == [20, 20]
    line.close()


def test_pictures_that_many_want_count_once() -> None:
    line = Line()
    line.come(*(Request(50) for _ in range(32)), count=50)
    assert sizes(line.calls()) == [17, 17, 16]
    line.close()


def test_what_nobody_waits_for_does_not_hold_back_what_somebody_does() -> None:
    line, keeper = Line(), Request(32, background=True)
    left = set(line.come(keeper, count=36))
    line.decode()
    assert 0 < len(line.turns.to_embed.waiting()) <= BATCH
    line.come(Request(50), count=50)
    calls = line.calls()
    assert sizes(calls)[:3] == [17, 17, 16]
    assert not any(left & set(call) for call in calls[:3])
    assert sizes(calls)[3:] == [BACKGROUND_MOST] * 9
    line.close()


def test_who_comes_while_a_call_is_decoded_has_one_in_the_next() -> None:
    line, newcomer = Line(), Request(50)
    for _ in range(3):
        line.come(Request(50), count=50)
    line.decode()
    line.come(newcomer, count=3)
    line.decode()
    assert line.turns.to_embed.waiting_for(newcomer) == 1
    assert any(newcomer in picture.wanted_by for picture in line.call())
    line.close()


def test_what_is_given_up_makes_room_at_once() -> None:
    line, gone, other = Line(), Request(50), Request(50)
    left = line.come(gone, count=MOST)
    line.decode()
    line.come(other, count=9)
    line.decode()
    assert line.turns.to_embed.waiting_for(other) == 1
    for picture in left:
        picture.unwant(gone)
        line.turns.end(picture)
    line.decode()
    assert line.turns.to_embed.waiting_for(other) == 9
    line.close()


def test_a_photo_is_decoded_and_embedded_first() -> None:
    line, request = Line(decoders=1), Request(50)
    line.come(request, count=30)
    (photo,) = line.come(request, photo=True)
    (first,) = line.turns.decoding.held
    line.turns.decoding.release(first)
    line.turns.hand_out()
    assert list(line.turns.decoding.held) == [photo]
    line.decode()
    assert photo in line.call()
    line.close()


def test_an_early_request_begins_with_small_calls() -> None:
    line = Line()
    line.come(Request(50, early=True), count=52)
    assert sizes(line.calls()) == [1, 1, 2, 4, 8, 16, 20]
    line.close()


def test_the_turn_in_calls_goes_round() -> None:
    line, many, few = Line(), Request(50), Request(50)
    line.come(many, count=40)
    line.come(few, count=2)
    first = line.calls()[0]
    assert sum(few in picture.wanted_by for picture in first) == 2
    line.close()


def test_downloads_are_shared_among_requests_and_hosts() -> None:
    line = Line(downloads=8)
    places, greedy, modest = line.turns.downloads, Request(50), Request(3)
    for host in ("slow", "slow", "quick") * 5:
        picture = Picture(host)
        picture.want(greedy)
        places.put(picture, line._loop.create_future())
    for _ in range(5):
        picture = Picture("other")
        picture.want(modest)
        places.put(picture, line._loop.create_future())
    places.hand_out()
    assert places.held_by == {greedy: 5, modest: 3}  # its own max_concurrency
    assert sum(picture.host == "slow" for picture in places.held) <= 6
    line.close()


def test_a_host_holds_as_many_downloads_as_the_settings_say() -> None:
    loop = asyncio.new_event_loop()
    for per_host, most in ((0, 6), (2, 2), (100, 7)):
        turns = Turns(downloads=8, decoders=1, max_batch_size=BATCH, downloads_per_host=per_host)
        request = Request(50)
        for _ in range(10):
            picture = Picture("host")
            picture.want(request)
            turns.downloads.put(picture, loop.create_future())
        turns.downloads.hand_out()
        assert len(turns.downloads.held) == most
    loop.close()


def test_an_early_request_s_quota_stands_still_within_a_call() -> None:
    """Although more is ready, as of pictures that others wanted too."""
    line, early = Line(), Request(50, early=True)
    early.embedded = 1
    for _ in range(10):
        picture = Picture()
        picture.want(early)
        line.turns.to_embed.put(picture, ToEmbed(PIXELS, embed, line._loop.create_future()))
    assert sizes(line.calls()) == [1, 2, 4, 3]
    line.close()


def test_a_call_is_of_one_model_and_the_next_of_that_whose_turn_it_is() -> None:
    line, models = Line(), {}

    async def other(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return await embed(pixels)

    def wait(model: Embed, request: Request, count: int, *, photo: bool = False) -> None:
        for _ in range(count):
            picture = Picture()
            picture.want(request, photo=photo)
            models[picture] = model
            line.turns.to_embed.put(picture, ToEmbed(PIXELS, model, line._loop.create_future()))

    for model in (embed, other):
        wait(model, Request(50), 30)
    calls = [line.call()]
    wait(other, Request(50), 1, photo=True)
    calls += line.calls()
    assert sizes(calls) == [20, 16, 10, 15]
    assert [{models[picture] for picture in call} for call in calls] == [
        {embed},
        {other},
        {embed},
        {other},
    ]
    assert any(picture.photo_of for picture in calls[1])
    line.close()


def test_prefetching_takes_four_downloads_in_all_and_one_of_them_large() -> None:
    line = Line()
    for places, most in ((line.turns.downloads, 4), (line.turns.big_bodies, 1)):
        for request in [Request(4, background=True) for _ in range(5)]:
            for _ in range(5):
                picture = Picture("host")
                picture.want(request)
                places.put(picture, line._loop.create_future())
        places.hand_out()
        assert len(places.held) == most
    line.close()


def test_texts_and_pictures_have_every_other_call_and_texts_hold_no_decoding_back() -> None:
    line, wordy, other = Line(), Request(50), Request(50)
    for _ in range(60):
        few = Picture()
        few.want(wordy)
        line.turns.put(few, ToEmbed(("a", "b"), embed, line._loop.create_future()))
    line.come(wordy, count=MOST)
    line.come(other, count=MOST)
    line.decode()
    assert line.turns.to_embed.waiting_for(wordy) >= MOST // 2
    pictures = {*line.turns.to_embed.waiting()}
    (photo,) = line.come(other, photo=True)
    calls = line.calls()
    assert photo in calls[0]
    assert sizes(calls) == [16, 20, 16, 20, 9, 20]
    assert [bool(pictures & {*call}) for call in calls[:4]] == [True, False, True, False]
    line.close()


def test_a_photo_goes_before_texts_out_of_turn_but_not_for_ever() -> None:
    line, wordy = Line(), Request(50)
    texts = {Picture() for _ in range(5 * MOST)}
    for few in texts:
        few.want(wordy)
        line.turns.put(few, ToEmbed(("a", "b"), embed, line._loop.create_future()))
    went = []
    for _ in range(7):  # a photo has just come before each call
        line.come(Request(50), photo=True)
        line.decode()
        went.append("texts" if texts & {*line.call()} else "photo")
    assert went == ["photo", "photo", "texts", "photo", "photo", "texts", "photo"]
    line.close()


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 100)), min_size=1, max_size=4),
    st.sets(st.integers(0, 3), max_size=2),
)
def test_a_call_that_nobody_waits_to_the_end_of_is_smaller(
    requests: list[tuple[int, int]], background: set[int]
) -> None:
    """Each so many pictures and a deadline; a call takes a second for each picture."""
    line, now, live = Line(), 0, {}
    for number, (count, deadline) in enumerate(requests):
        request = Request(64, background=number in background)
        pictures = line.come(request, count=count)
        if not request.background:
            request.deadline = deadline
            live[request] = pictures

    def most_before(_: object, deadline: float) -> float:
        return max(1, deadline - now)

    line.decode()
    while call := line.call(most_before):
        now += len(call)
        latest = max((one.deadline for one, left in live.items() if left), default=math.inf)
        somebody_waits = any(set(left) & set(call) for left in live.values())
        assert not somebody_waits or len(call) == 1 or now <= latest
        for request in list(live):
            live[request] = [one for one in live[request] if one not in call]
        line.decode()
    assert not any(live.values())
    line.close()


def before(deadline_is: float) -> MostBefore:
    """A picture a second, at the time 0, if the deadline is as expected."""

    def most_before(_: object, deadline: float) -> float:
        assert deadline == deadline_is
        return deadline

    return most_before


def test_who_waits_longest_tells_how_large_a_call_may_be() -> None:
    line, near, far = Line(), Request(50), Request(50)
    near.deadline, far.deadline = 5, 9
    line.come(near, count=30)
    line.decode()
    assert len(line.call(before(5))) == 5
    line.come(far, near, Request(4, background=True))  # one picture that three want
    line.decode()
    assert len(line.call(before(9))) == 9
    line.close()


def test_who_waits_for_another_model_does_not_make_a_call_larger() -> None:
    line, near, far = Line(), Request(50), Request(50)
    near.deadline, far.deadline = 5, 9

    async def other(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return await embed(pixels)

    for request, model in ((near, embed), (far, other)):
        for _ in range(15):
            picture = Picture()
            picture.want(request)
            line.turns.put(picture, ToEmbed(PIXELS, model, line._loop.create_future()))
    assert [len(line.call(before(5))), len(line.call(before(9)))] == [5, 9]
    line.close()


def test_texts_are_not_fewer_before_a_deadline() -> None:
    line, request = Line(), Request(50)
    request.deadline = 5
    for _ in range(MOST):
        few = Picture()
        few.want(request)
        line.turns.put(few, ToEmbed(("a", "b"), embed, line._loop.create_future()))
    assert len(line.call(before(5))) == MOST
    line.close()


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 19), min_size=1), st.integers(1, 30)),
        min_size=1,
        max_size=12,
    ),
    st.sets(st.integers(0, 19), max_size=5),
)
def test_calls_are_full_whoever_wants_what(
    groups: list[tuple[set[int], int]], background: set[int]
) -> None:
    """Groups of pictures, each wanted by some of twenty requests, some of which are background."""
    line = Line()
    requests = [Request(50, background=number in background) for number in range(20)]
    pictures = [
        picture
        for who, count in groups
        for picture in line.come(*(requests[number] for number in who), count=count)
    ]
    calls = line.calls()
    live = sum(picture.live for picture in pictures)
    expected = []
    while live:
        calls_left = -(-live // MOST)
        expected.append(min(live, max(BATCH, -(-live // calls_left))))
        live -= expected[-1]
    assert sizes(calls)[: len(expected)] == expected
    assert all(picture.live for call in calls[: len(expected)] for picture in call)
    assert sorted(map(id, (p for call in calls for p in call))) == sorted(map(id, pictures))
    # Nobody waits: each live request has a picture in the first calls that hold one of each.
    bound = -(-len(requests) // BATCH)
    for request in requests:
        wants = [picture for picture in pictures if request in picture.wanted_by]
        if wants and not request.background:
            assert any(request in picture.wanted_by for call in calls[:bound] for picture in call)
    line.close()
