"""Fair queue: round robin over requests, photos first, what nobody waits for last.

A picture that several requests want stands in the line of each, counts once, and is taken by the
first of them whose turn it is.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

Work = TypeVar("Work")


class Request:
    """One request as the queues see it.

    Args:
        max_concurrency: pictures it may download and decode at once.
        early: it begins with small calls of the model, so that its first result is there soon.
        background: nobody waits for it.

    Attributes:
        deadline: when it stops waiting, in the event loop's time.
        embedded: pictures it has had in calls so far.
    """

    def __init__(self, max_concurrency: int, *, early: bool = False, background: bool = False):
        self.max_concurrency = max_concurrency
        self.early, self.background = early, background
        self.deadline = math.inf
        self.embedded = 0


class Picture:
    """One picture as the queues see it.

    Args:
        host: it is downloaded from.

    Attributes:
        wanted_by: requests, and how often each wants it.
        photo_of: requests whose photo it is: it goes before all else.
    """

    def __init__(self, host: str = "") -> None:
        self.host = host
        self.wanted_by: Counter[Request] = Counter()
        self.photo_of: set[Request] = set()
        self.queue: FairQueue[Any] | None = None

    @property
    def live(self) -> bool:
        """Whether somebody waits for it."""
        return any(not request.background for request in self.wanted_by)

    def want(self, request: Request, *, photo: bool = False) -> None:
        """The request wants it, once more perhaps."""
        self.wanted_by[request] += 1
        if photo:
            self.photo_of.add(request)
        if self.queue is not None:
            self.queue.join(request, self)

    def unwant(self, request: Request) -> None:
        """The request wants it once less."""
        self.wanted_by[request] -= 1
        if self.wanted_by[request] <= 0:
            del self.wanted_by[request]
            self.photo_of.discard(request)
            if self.queue is not None:
                self.queue.leave(request, self)


_Line = dict[str | None, OrderedDict[Picture, None]]
"""Pictures of one request in a queue by host, oldest first; its photo under None."""


class FairQueue(Generic[Work]):
    """What waits for a resource, and what holds it.

    The turn is that of the request that holds least, then of the one whose last turn is longest
    ago; among its pictures, of one from the host that holds least, then of the oldest.

    Args:
        may: whether a request may have one more at the moment; not asked for photos.
        most_of_a_host: pictures of one host that may hold the resource at once.

    Attributes:
        held: pictures that hold the resource, each with the request on whose turn it took it.
        held_by: how many of them are each request's.
    """

    def __init__(
        self, may: Callable[[Request], bool] = lambda _: True, *, most_of_a_host: int | None = None
    ) -> None:
        self.held: dict[Picture, Request] = {}
        self.held_by: Counter[Request] = Counter()
        self._may = may
        self._most_of_a_host = most_of_a_host
        self._waiting: dict[Picture, Work] = {}
        self._lines: OrderedDict[Request, _Line] = OrderedDict()

    def waiting(self, suits: Callable[[Work], bool] = lambda _: True) -> list[Picture]:
        """All that waits, or all whose work suits, each picture once."""
        return [picture for picture, work in self._waiting.items() if suits(work)]

    def waiting_for(self, request: Request) -> int:
        """How many pictures of this request wait."""
        return sum(map(len, self._lines.get(request, {}).values()))

    def put(self, picture: Picture, work: Work) -> None:
        """Puts a picture that waits nowhere else into the lines of all who want it."""
        self._waiting[picture] = work
        picture.queue = self
        for request in picture.wanted_by:
            FairQueue.join(self, request, picture)

    def join(self, request: Request, picture: Picture) -> None:
        """One more request wants a picture that waits here."""
        line = self._lines.setdefault(request, {})
        _take_out(line, picture)  # it may become the photo only now
        host = None if request in picture.photo_of else picture.host
        line.setdefault(host, OrderedDict())[picture] = None

    def leave(self, request: Request, picture: Picture) -> None:
        """This request does not want it any more."""
        line = self._lines[request]
        _take_out(line, picture)
        if not line:
            del self._lines[request]

    def take(
        self, *, background: bool = False, suits: Callable[[Work], bool] = lambda _: True
    ) -> tuple[Picture, Work] | None:
        """Takes what is next; it holds the resource until ``release``.

        Args:
            background: of what nobody waits for, instead of what somebody does.
            suits: whether this work may be taken; the next that may is.
        """
        requests = [one for one in self._lines if one.background is background]
        hosts = Counter[str | None](one.host for one in self.held if background or one.live)
        for request in sorted(requests, key=self._rank):
            if picture := self._first(request, hosts, suits):
                self.held[picture] = request
                self.held_by[request] += 1
                self._lines.move_to_end(request)
                return picture, self._remove(picture)
        return None

    def release(self, picture: Picture) -> None:
        """The picture neither waits nor holds any more, whichever it did."""
        if picture in self._waiting:
            self._remove(picture)
        elif picture in self.held:
            self.held_by -= Counter([self.held.pop(picture)])  # forgets who holds none

    def take_all(self) -> list[Work]:
        """Takes all that waits, out of turn; none of it holds the resource."""
        return [self._remove(picture) for picture in self.waiting()]

    def _rank(self, request: Request) -> tuple[bool, int]:
        return None not in self._lines[request], self.held_by[request]

    def _first(
        self, request: Request, held: Counter[str | None], suits: Callable[[Work], bool]
    ) -> Picture | None:
        most, oldest = self._most_of_a_host, {}
        for host, pictures in self._lines[request].items():
            suiting = (picture for picture in pictures if suits(self._waiting[picture]))
            if picture := next(suiting, None):
                oldest[host] = picture
        if None in oldest:
            return oldest[None]
        if not self._may(request):
            return None
        hosts = [host for host in oldest if most is None or held[host] < most]
        return oldest[min(hosts, key=held.__getitem__)] if hosts else None

    def _remove(self, picture: Picture) -> Work:
        for request in picture.wanted_by:
            self.leave(request, picture)
        picture.queue = None
        return self._waiting.pop(picture)


def _take_out(line: _Line, picture: Picture) -> None:
    for host in (None, picture.host):
        if pictures := line.get(host):
            pictures.pop(picture, None)
            if not pictures:
                del line[host]


def count_live(pictures: Iterable[Picture]) -> int:
    """How many of them somebody waits for."""
    return sum(picture.live for picture in pictures)
