"""Who is next: lines that requests share, one picture of each in turn, the background last."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

BACKGROUND_SHARE = 4
"""Pictures in a call nobody waits for, so that a request that comes meanwhile waits little."""


class Lane:
    """One request's place in every line.

    Args:
        most: pictures it may have in one call of the embedder.
        early: begins with small calls and has at most as many pictures in the next as it has had
            in all before, so that its first result is there soon.
        background: nobody waits for it.

    Attributes:
        given: pictures it has had in calls so far.
    """

    def __init__(self, most: int, *, early: bool = False, background: bool = False) -> None:
        self._most = min(most, BACKGROUND_SHARE) if background else most
        self._early = early
        self.background = background
        self.given = 0

    @property
    def share(self) -> int:
        """Pictures it may have in the next call."""
        return min(self._most, max(1, self.given)) if self._early else self._most


@dataclass(eq=False)
class Waiting(Generic[Work, Outcome]):
    """Something in line.

    Attributes:
        work: what is to be done.
        outcome: of it; cancelling it takes it out of line.
        first: goes before all else of its lane, whatever room that has.
        taken: it is being done.
    """

    work: Work
    outcome: asyncio.Future[Outcome]
    first: bool = False
    taken: bool = False

    @property
    def wanted(self) -> bool:
        """False when it is being done, or its request has gone."""
        return not self.taken and not self.outcome.done()

    def settle(self, outcome: Outcome | BaseException) -> None:
        """Hands the outcome to whoever still waits for it."""
        if self.outcome.done():  # its request has gone meanwhile
            return
        if isinstance(outcome, asyncio.CancelledError):
            self.outcome.cancel()
        elif isinstance(outcome, BaseException):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


_Queues = OrderedDict[Lane, deque[Waiting[Work, Outcome]]]


class Line(Generic[Work, Outcome]):
    """What waits for one resource.

    Args:
        wake: called when something has come.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._front: _Queues[Work, Outcome] = OrderedDict()
        self._background: _Queues[Work, Outcome] = OrderedDict()

    def put(self, lane: Lane, work: Work, *, first: bool = False) -> Waiting[Work, Outcome]:
        """Puts something at the end of its lane, or before all else there."""
        waiting: Waiting[Work, Outcome] = Waiting(
            work, asyncio.get_running_loop().create_future(), first
        )
        self.adopt(lane, waiting)
        return waiting

    def adopt(self, lane: Lane, waiting: Waiting[Work, Outcome]) -> None:
        """Puts what waits in another lane into this one as well; it is taken once."""
        if not waiting.wanted:
            return
        queue = self._queues(lane).setdefault(lane, deque())
        if waiting.first:
            queue.appendleft(waiting)
        else:
            queue.append(waiting)
        self._wake()

    def waiting(self, lane: Lane) -> int:
        """How much of this lane is in line."""
        return sum(waiting.wanted for waiting in self._queues(lane).get(lane, ()))

    def take(
        self, most: int, room: Callable[[Lane], int]
    ) -> list[tuple[Lane, Waiting[Work, Outcome]]]:
        """Takes up to ``most``, one of each lane in turn; of the background only when nothing
        else can be taken.

        Args:
            most: to take.
            room: how many a lane may have.
        """
        for queues in (self._front, self._background):
            if taken := _take(queues, most, {lane: room(lane) for lane in queues}):
                return taken
        return []

    def _queues(self, lane: Lane) -> _Queues[Work, Outcome]:
        return self._background if lane.background else self._front


def _take(
    queues: _Queues[Work, Outcome], most: int, room: Mapping[Lane, int]
) -> list[tuple[Lane, Waiting[Work, Outcome]]]:
    taken: list[tuple[Lane, Waiting[Work, Outcome]]] = []
    left = dict(room)
    full: _Queues[Work, Outcome] = OrderedDict()
    while queues and len(taken) < most:
        lane, queue = queues.popitem(last=False)
        while queue and not queue[0].wanted:
            queue.popleft()
        if not queue:
            continue
        if left[lane] <= 0 and not queue[0].first:
            full[lane] = queue
            continue
        waiting = queue.popleft()
        waiting.taken = True
        left[lane] -= 1
        taken.append((lane, waiting))
        queues[lane] = queue
    queues.update(full)
    return taken
