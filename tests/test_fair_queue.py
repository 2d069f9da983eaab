"""The rules of the fair queue, as properties of every history."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clip_ranker.fair_queue import FairQueue, Picture, Request
from clip_ranker.places import Places


def wanted(*requests: Request, host: str = "", photo: bool = False) -> Picture:
    picture = Picture(host)
    for request in requests:
        picture.want(request, photo=photo)
    return picture


def taken(queue: FairQueue[str]) -> str:
    works = ""
    while one := queue.take() or queue.take(background=True):
        works += one[1]
    return works


def test_one_of_each_request_in_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for request, works in ((Request(9), "aaa"), (Request(9), "b"), (Request(9), "cc")):
        for work in works:
            queue.put(wanted(request), work)
    assert taken(queue) == "abcaca"


def test_the_turn_goes_on_where_it_was_although_everything_was_released() -> None:
    queue: FairQueue[str] = FairQueue()
    for request, works in ((Request(9), "aaa"), (Request(9), "bbb")):
        for work in works:
            queue.put(wanted(request), work)
    order = ""
    while one := queue.take():
        queue.release(one[0])
        order += one[1]
    assert order == "ababab"


def test_who_holds_least_is_next() -> None:
    queue: FairQueue[str] = FairQueue()
    greedy, modest = Request(9), Request(9)
    for _ in range(3):
        queue.put(wanted(greedy), "g")
    queue.take()
    queue.take()
    queue.put(wanted(modest), "m")
    assert taken(queue) == "mg"


def test_a_photo_goes_before_everything_and_needs_no_quota() -> None:
    queue: FairQueue[str] = FairQueue(lambda _: False)
    request, other = Request(9), Request(9)
    queue.put(wanted(other), "o")
    queue.put(wanted(request), "r")
    queue.put(wanted(request, photo=True), "P")
    assert taken(queue) == "P"
    assert (queue.waiting_for(request), queue.waiting_for(other)) == (1, 1)


def test_a_photo_goes_before_what_others_came_with_earlier() -> None:
    queue: FairQueue[str] = FairQueue()
    request, other = Request(9), Request(9)
    queue.put(wanted(request), "r")
    queue.take()  # it holds more than the other
    queue.put(wanted(other), "o")
    queue.put(wanted(request, photo=True), "P")
    assert taken(queue) == "Po"


def test_what_nobody_waits_for_is_taken_only_on_demand() -> None:
    queue: FairQueue[str] = FairQueue()
    behind, front = Request(9, background=True), Request(9)
    shared = wanted(behind, front)
    queue.put(wanted(behind), "b")
    queue.put(shared, "s")
    assert queue.take() == (shared, "s")
    assert queue.take() is None
    assert taken(queue) == "b"


def test_the_host_that_holds_least_is_next_and_none_has_all() -> None:
    queue: FairQueue[str] = FairQueue(most_of_a_host=2)
    request = Request(9)
    for work in "aaaa":
        queue.put(wanted(request, host="slow"), work)
    for work in "bb":
        queue.put(wanted(request, host="quick"), work)
    assert taken(queue) == "abab"
    assert queue.waiting_for(request) == 2


def test_a_picture_that_several_want_counts_once_and_stays_until_the_last_leaves() -> None:
    queue: FairQueue[str] = FairQueue()
    one, two = Request(9), Request(9)
    shared = wanted(one)
    queue.put(shared, "s")
    shared.want(two)
    shared.want(two)  # the list names it twice
    assert queue.waiting() == [shared]
    shared.unwant(one)
    shared.unwant(two)
    assert (queue.waiting_for(one), queue.waiting_for(two)) == (0, 1)
    shared.unwant(two)
    assert queue.take() is None


class History(RuleBasedStateMachine):
    """Places under every order of coming, joining, leaving and being done."""

    @initialize(total=st.integers(1, 4), quota=st.integers(1, 3), most_of_a_host=st.integers(1, 3))
    def begin(self, total: int, quota: int, most_of_a_host: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.total, self.quota, self.most_of_a_host = total, quota, most_of_a_host
        self.places = Places(total, self.may, most_of_a_host=most_of_a_host)
        self.requests = [Request(9, background=n > 3) for n in range(6)]
        self.waiting: dict[Picture, asyncio.Future[None]] = {}
        self.passed_over: dict[Request, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def may(self, request: Request) -> bool:
        return self.places.held_by[request] < self.quota

    def settle(self, *, hand_out: bool = True) -> None:
        """Notes who got a place, and who was passed over by others meanwhile."""
        before = dict(self.waiting)
        if hand_out:
            self.places.hand_out()
        if any(turn.done() for picture, turn in before.items() if picture.live):
            assert sum(picture.live for picture in self.places.held) <= self.total
        for picture, turn in before.items():
            if turn.done():
                del self.waiting[picture]
                server = self.places.held[picture]
                for request in self.requests:
                    if request is server or not self.could_have(request):
                        self.passed_over[request] = 0
                    elif picture not in self.photos():
                        self.passed_over[request] = self.passed_over.get(request, 0) + 1

    def photos(self) -> set[Picture]:
        return {picture for picture in self.places.held if picture.photo_of}

    def could_have(self, request: Request) -> bool:
        return not request.background and any(
            request in picture.wanted_by and self.open_to(request, picture)
            for picture in self.waiting
        )

    def open_to(self, request: Request, picture: Picture) -> bool:
        of_host = sum(
            held.host == picture.host and (request.background or held.live)
            for held in self.places.held
        )
        return request in picture.photo_of or (self.may(request) and of_host < self.most_of_a_host)

    @rule(
        who=st.sets(st.integers(0, 5), min_size=1), host=st.sampled_from("xyz"), photo=st.booleans()
    )
    def comes(self, who: set[int], host: str, photo: bool) -> None:
        requests = [self.requests[number] for number in who]
        picture = wanted(*requests, host=host, photo=photo and len(who) == 1)
        self.waiting[picture] = turn = self.loop.create_future()
        self.places.put(picture, turn)
        self.settle()

    @precondition(lambda self: self.places.held)
    @rule(data=st.data())
    def is_done(self, data: st.DataObject) -> None:
        picture = data.draw(st.sampled_from(list(self.places.held)))
        self.places.release(picture)
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), number=st.integers(0, 5))
    def is_joined(self, data: st.DataObject, number: int) -> None:
        data.draw(st.sampled_from(list(self.waiting))).want(self.requests[number])
        self.settle(hand_out=False)  # by itself

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        picture = data.draw(st.sampled_from(list(self.waiting)))
        request = data.draw(st.sampled_from(list(picture.wanted_by)))
        picture.unwant(request)
        if not picture.wanted_by:
            self.places.release(picture)
            del self.waiting[picture]
        self.settle()

    @precondition(lambda self: self.places.held)
    @rule(data=st.data())
    def loses_interest(self, data: st.DataObject) -> None:
        """Who waited for a picture that holds a place has gone: it is finished all the same."""
        picture = data.draw(st.sampled_from(list(self.places.held)))
        for request in list(picture.wanted_by):
            while request in picture.wanted_by:
                picture.unwant(request)
        picture.want(self.requests[5])
        self.settle()

    @invariant()
    def no_place_is_idle_while_something_may_go(self) -> None:
        if not hasattr(self, "places"):
            return
        live = sum(picture.live for picture in self.places.held)
        for picture in self.waiting:
            for request in picture.wanted_by:
                free = len(self.places.held) if request.background else live
                assert free >= self.total or not self.open_to(request, picture)

    @invariant()
    def nobody_is_passed_over_for_long(self) -> None:
        """By each other request as often as it may hold more at most, once each in turn then."""
        if hasattr(self, "passed_over"):
            bound = len(self.requests) * (self.quota + 1)
            assert all(count <= bound for count in self.passed_over.values())


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
