"""Who is next: lines that requests share, one picture of each in turn, the background last."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

BACKGROUND_MOST = 4
"""Pictures in a call nobody waits for, so that a request that comes meanwhile waits little."""


@dataclass(eq=False)
class Lane:
    """One request's place in every line.

    Attributes:
        most: pictures it may have in one call of the embedder.
        early: begins with small calls and has at most as many pictures in the next as it has had
            in all before, so that its first result is there soon.
        background: nobody waits for it.
        given: pictures it has had in calls so far.
    """

    most: int
    early: bool = False
    background: bool = False
    given: int = 0

    @property
    def share(self) -> int:
        """Pictures it may have in the next call."""
        return min(self.most, max(1, self.given)) if self.early else self.most


@dataclass(eq=False)
class Waiting(Generic[Work, Result]):
    """Something in line, perhaps in several lanes at once.

    Attributes:
        work: what is to be done.
        result: of it; cancelling it takes it out of line.
        taken: it is being done.
    """

    work: Work
    result: asyncio.Future[Result]
    taken: bool = False

    @property
    def wanted(self) -> bool:
        """False when it is being done, or its request has gone."""
        return not self.taken and not self.result.done()

    def settle(self, result: Result | BaseException) -> None:
        """Hands the result to whoever still waits for it."""
        if self.result.done():  # its request has gone meanwhile
            return
        if isinstance(result, asyncio.CancelledError):
            self.result.cancel()
        elif isinstance(result, BaseException):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class _Place(NamedTuple, Generic[Work, Result]):
    waiting: Waiting[Work, Result]
    first: bool


_Queues = OrderedDict[Lane, deque[_Place[Work, Result]]]


class Waitlist(Generic[Work, Result]):
    """What waits for one resource.

    Args:
        wake: called when something has come.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._front: _Queues[Work, Result] = OrderedDict()
        self._background: _Queues[Work, Result] = OrderedDict()

    def put(self, lane: Lane, waiting: Waiting[Work, Result], *, first: bool = False) -> None:
        """Puts something at the end of a lane, or before all else in any lane.

        What stands in several lanes is taken once, by the first whose turn it is.
        """
        if not waiting.wanted:
            return
        queue = self._queues(lane).setdefault(lane, deque())
        if first:
            queue.appendleft(_Place(waiting, first))
        else:
            queue.append(_Place(waiting, first))
        self._wake()

    def retire(self, lane: Lane) -> None:
        """Nobody waits for this lane any more: what it has goes into the background."""
        lane.background = True
        if queue := self._front.pop(lane, None):
            self._background[lane] = queue

    def waiting(self, lane: Lane) -> int:
        """How much of this lane is in line, but for what is first."""
        queue = self._queues(lane).get(lane, ())
        return sum(place.waiting.wanted for place in queue if not place.first)

    def waiting_in_all(self) -> int:
        """How much is in line, what stands in several lanes counted in each."""
        return sum(map(self.waiting, (*self._front, *self._background)))

    def take(
        self, most: int, room: Callable[[Lane], int]
    ) -> list[tuple[Lane, Waiting[Work, Result]]]:
        """Takes up to ``most``, one of each lane in turn; of the background only when nothing
        else can be taken, and few.

        Args:
            most: to take.
            room: how many a lane may have; what is first there is taken all the same.
        """
        few = min(most, BACKGROUND_MOST)
        for queues, at_most in ((self._front, most), (self._background, few)):
            if taken := _take(queues, at_most, {lane: room(lane) for lane in queues}):
                return taken
        return []

    def _queues(self, lane: Lane) -> _Queues[Work, Result]:
        return self._background if lane.background else self._front


def _take(
    queues: _Queues[Work, Result], most: int, room: Mapping[Lane, int]
) -> list[tuple[Lane, Waiting[Work, Result]]]:
    taken: list[tuple[Lane, Waiting[Work, Result]]] = []
    left = dict(room)

    def head(lane: Lane) -> _Place[Work, Result] | None:
        queue = queues[lane]
        while queue and not queue[0].waiting.wanted:
            queue.popleft()
        if not queue:
            del queues[lane]
            return None
        return queue[0]

    def take(lane: Lane, place: _Place[Work, Result]) -> None:
        queues[lane].popleft()
        queues.move_to_end(lane)
        place.waiting.taken = True
        left[lane] -= 1
        taken.append((lane, place.waiting))

    for lane in list(queues):
        if (place := head(lane)) and place.first and len(taken) < most:
            take(lane, place)
    turns = deque(queues)
    while turns and len(taken) < most:
        lane = turns.popleft()
        if (place := head(lane)) and (left[lane] > 0 or place.first):
            take(lane, place)
            turns.append(lane)
    return taken
