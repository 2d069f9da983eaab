"""What clients share: places for requests, and memory for their bodies."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from clip_ranker import fair_queue
from clip_ranker.errors import BusyError
from clip_ranker.fair_queue import Picture as Ticket
from clip_ranker.places import Places
from clip_ranker.web.client import Client

PATIENCE_S = 5
"""A request waits so long for a place: soon afterwards its client would have asked again."""


def may_have(more: int, client: Hashable, held: Counter[Hashable], total: int) -> bool:
    """Whether a client may have so many more of ``total``.

    Three quarters are anybody's. The last is for who holds less than an equal part, with one more
    counted who may come: so a client alone has all but a quarter.
    """
    after = held.total() + more
    equal = max(1, total // (len(held.keys() | {client}) + 1))
    return after <= total - total // 4 or (after <= total and held[client] + more <= equal)


class RequestPlaces:
    """Places for requests, handed out in turn of their clients.

    Args:
        total: requests at once; as many more may wait.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._places = Places(total, self._may)

    @asynccontextmanager
    async def hold(self, client: Client) -> AsyncIterator[None]:
        """Waits for a place and keeps it until the block ends.

        Raises:
            BusyError: too many wait already, or it has waited long enough.
        """
        ticket, party = Ticket(), _Party(client)
        waiting = Counter(one for other in self._places.waiting() for one in other.wanted_by)
        busy = BusyError("too many requests are under way, try again in a moment")
        if not may_have(1, party, Counter(waiting), self._total):
            raise busy
        ticket.want(party)
        try:
            async with asyncio.timeout(PATIENCE_S) as patience, self._places.hold(ticket):
                patience.reschedule(None)
                yield
        except TimeoutError:
            if patience.expired():
                raise busy from None
            raise

    def _may(self, party: fair_queue.Request) -> bool:
        return may_have(1, party, Counter(self._places.held_by), self._total)


class _Party(fair_queue.Request):
    """A client as the fair queue sees it."""

    def __init__(self, client: Client) -> None:
        super().__init__(max_concurrency=1)
        self._client = client

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Party) and other._client == self._client

    def __hash__(self) -> int:
        return hash(self._client)


@dataclass(eq=False)
class Upload:
    """A body that comes in.

    Attributes:
        client: whose it is.
        limit: of its time; what gives way to others has none left.
        held: bytes it counts for.
        gave_way: it did.
    """

    client: Client
    limit: asyncio.Timeout
    held: int = 0
    gave_way: bool = False


class BodyBytes:
    """Memory for bodies: each counts as what has come of it.

    Args:
        total: bytes of all bodies at once.
        least: bytes that each counts for, as it takes an open file.
    """

    def __init__(self, total: int, least: int) -> None:
        self._total = total
        self._least = least
        self._held: Counter[Hashable] = Counter()
        self._coming: OrderedDict[Upload, None] = OrderedDict()
        """Which has stood still for longest comes first."""

    @contextmanager
    def hold(self, client: Client, limit: asyncio.Timeout) -> Iterator[Upload]:
        """Counts a body until the block ends."""
        upload = Upload(client, limit)
        self._coming[upload] = None
        try:
            yield upload
        finally:
            self._release(upload)

    def grow(self, upload: Upload, size: int) -> None:
        """So many bytes have come of it.

        Where they are too many, bodies of clients that hold more give way, those first that have
        stood still for longest.

        Raises:
            BusyError: there is no memory for it.
        """
        if upload in self._coming:
            self._coming.move_to_end(upload)
        more = max(size, self._least) - upload.held
        while more > 0 and not may_have(more, upload.client, self._held, self._total):
            self._make_way(self._held[upload.client] + more)
        upload.held += more
        self._held[upload.client] += more

    def arrived(self, upload: Upload) -> None:
        """It is here: it gives way to nobody any more."""
        self._coming.pop(upload, None)

    def _make_way(self, for_who_holds: int) -> None:
        for other in self._coming:
            if self._held[other.client] > for_who_holds and not other.limit.expired():
                self._release(other)
                other.gave_way = True
                other.limit.reschedule(0)
                return
        raise BusyError("too many large requests are under way, try again in a moment")

    def _release(self, upload: Upload) -> None:
        self._coming.pop(upload, None)
        self._held -= Counter({upload.client: upload.held})  # forgets who holds none
        upload.held = 0
