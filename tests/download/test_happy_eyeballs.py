"""Addresses that swallow packets cost little, and what loses the race is closed."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import anyio
import httpcore
import pytest

from clip_ranker.download import hosts
from clip_ranker.download.addresses import IPAddress
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.happy_eyeballs import first_to_connect
from clip_ranker.settings import Settings
from tests.hostile.answers import PICTURE
from tests.hostile.raw_server import RawServer

SWALLOWING = [f"127.0.0.{number}" for number in range(2, 9)]


@pytest.fixture
def server() -> Iterator[RawServer]:
    """On 127.0.0.1; on the same port of the addresses above nobody answers a connect."""
    with RawServer() as server, ExitStack() as full:
        server.says("/", PICTURE)
        for address in SWALLOWING:
            listening = socket.create_server((address, server.port), backlog=0)
            full.enter_context(listening)
            full.enter_context(socket.create_connection((address, server.port)))  # the one place
        yield server


def fetch(server: RawServer, names: list[str], *, times: int, timeout_s: float) -> list[object]:
    """What becomes of so many downloads, one after the other, from a host of these addresses."""

    async def resolve(_: str, __: int) -> list[str]:
        return names

    async def scenario() -> list[object]:
        settings = Settings(
            allow_private_hosts=(f"a.test:{server.port}",), download_timeout_s=timeout_s
        )
        fetcher = Fetcher(settings, resolve=resolve)
        url = fetcher.check(f"http://a.test:{server.port}/")
        ends: list[object] = []
        for _ in range(times):
            ends += await asyncio.gather(fetcher.fetch(url), return_exceptions=True)
        await fetcher.close()
        return ends

    return asyncio.run(scenario())


def test_addresses_that_swallow_packets_leave_time_for_the_last(server: RawServer) -> None:
    names = [*SWALLOWING, "127.0.0.1"]
    assert fetch(server, names, times=1, timeout_s=6) == [b"picture"]
    assert server.accepted == 1


def test_a_host_that_swallows_packets_is_dead_after_a_few_attempts(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "PATIENCE_S", 0.1)
    ends = fetch(server, SWALLOWING, times=3, timeout_s=0.8)
    assert [str(end) for end in ends] == [
        "no complete answer within 0.8 s",  # and a retry
        "could not connect",  # after the third attempt
        "could not connect",
    ]


class Stream(httpcore.AsyncNetworkStream):
    """A connection that knows whether it was closed."""

    closed = False

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed = True


def addresses(*literals: str) -> list[IPAddress]:
    return [ip_address(literal) for literal in literals]


def test_families_take_turns_and_a_failure_lets_the_next_one_go() -> None:
    tried: list[str] = []

    async def refused(address: IPAddress) -> Stream:
        tried.append(str(address))
        raise httpcore.ConnectError(str(address))

    with pytest.raises(httpcore.ConnectError, match="::1"):
        asyncio.run(first_to_connect(addresses("::1", "::2", "::3", "1.1.1.1"), refused))
    assert tried == ["::1", "1.1.1.1", "::2", "::3"]


def test_the_first_to_connect_wins_and_all_others_are_closed() -> None:
    async def scenario() -> None:
        go = anyio.Event()
        streams: list[Stream] = []

        async def connect(address: IPAddress) -> Stream:
            if address.version == 6:
                await go.wait()  # both at the same moment
            elif str(address) == "1.1.1.2":
                go.set()
                await anyio.sleep_forever()
            else:
                raise httpcore.ConnectError
            streams.append(Stream())
            return streams[-1]

        racing = addresses("::1", "1.1.1.1", "::2", "1.1.1.2")
        won = await first_to_connect(racing, connect)
        assert len(streams) == 2
        assert [stream for stream in streams if not stream.closed] == [won]

    asyncio.run(scenario())


def test_who_leaves_as_a_connection_is_made_leaves_none_open() -> None:
    async def scenario() -> None:
        stream = Stream()
        with anyio.CancelScope() as scope:

            async def connect(_: IPAddress) -> Stream:
                scope.cancel()
                return stream

            await first_to_connect(addresses("1.1.1.1", "1.1.1.2"), connect)
        assert scope.cancelled_caught
        assert stream.closed

    asyncio.run(scenario())
