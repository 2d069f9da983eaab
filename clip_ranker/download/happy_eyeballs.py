"""Happy Eyeballs (RFC 8305): the addresses of a host race, each a little behind the one before.

aiohappyeyeballs answers a bare socket, of which httpcore has no public way to make a stream.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest

import anyio
import httpcore

from clip_ranker.download.addresses import IPAddress

DELAY_S = 0.25
"""Of an address behind the one before, unless that has failed by then; the RFC's own value."""


async def first_to_connect(
    addresses: Sequence[IPAddress],
    connect: Callable[[IPAddress], Awaitable[httpcore.AsyncNetworkStream]],
) -> httpcore.AsyncNetworkStream:
    """The first connection that is made; the others are given up.

    Args:
        addresses: at least one, in order of preference; IPv4 and IPv6 take turns.
        connect: to one of them.

    Raises:
        httpcore.ConnectError, httpcore.ConnectTimeout: none of them accepts.
    """
    made: list[httpcore.AsyncNetworkStream] = []
    failures: list[Exception] = []

    async def attempt(address: IPAddress, ended: anyio.Event) -> None:
        try:
            made.append(await connect(address))
            race.cancel_scope.cancel()
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            failures.append(error)
            ended.set()

    losers = made  # all, if this is cancelled
    try:
        async with anyio.create_task_group() as race:
            for address in _interleaved(addresses):
                ended = anyio.Event()
                race.start_soon(attempt, address, ended)
                with anyio.move_on_after(DELAY_S):
                    await ended.wait()
        if not made:
            raise failures[0]
        losers = made[1:]
        return made[0]
    finally:
        with anyio.CancelScope(shield=True):
            for stream in losers:
                await stream.aclose()


def _interleaved(addresses: Sequence[IPAddress]) -> Sequence[IPAddress]:
    preferred = [one for one in addresses if one.version == addresses[0].version]
    others = [one for one in addresses if one.version != addresses[0].version]
    pairs = zip_longest(preferred, others)
    return [one for pair in pairs for one in pair if one is not None]
