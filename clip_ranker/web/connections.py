"""Bounds what connections cost that bring no request: the part of HTTP that is uvicorn's.

uvicorn waits for ever for the head of a request and has no limit on connections: a thousand clients
that connect and say nothing would use up the open files of a laptop's process, and with them the
downloads. Behind Caddy it is Caddy that waits; inside the Docker network everybody can connect.
"""

import asyncio
import json
import socket
from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol

from clip_ranker import __version__, metrics
from clip_ranker.web import request_log
from clip_ranker.web.asgi import is_post
from clip_ranker.web.pieces import Connection
from clip_ranker.web.version import HEADER

SEND_TIMEOUT_S = 30
"""For the client to take ``LEAST_TAKEN_BYTES`` of an answer, or what is left of it."""
LEAST_TAKEN_BYTES = 16_384
READ_BYTES = 4096
"""From one connection before it is the others' turn; asyncio's own 256 KB may be 40,000 chunks."""
SILENT_S = 1
"""Without a head, after which a client goes before all that do something, however slowly."""
NOT_HTTP = "this is no proper HTTP request"


class Wait(Enum):
    """What a connection waits for, unless a request is whole and the service works on it."""

    HEAD = auto()
    """For a request to begin; the rest of a body that was refused counts as no request."""
    BODY = auto()
    """For the rest of it; ``web/body.py`` limits that."""
    TAKE = auto()
    """For the client to read what is written."""
    TURN = auto()
    """For the service, which owes it little: it only reads, or sends requests ahead."""


def bound(*, most: int, head_timeout_s: float) -> None:
    """Makes the server of this process use connections with limits, where they come by TCP.

    Args:
        most: connections at once; one more takes the place of the one that waits longest, the
            silent first, and ends at once where the service works for each.
        head_timeout_s: from the connection, or the end of a request, to the next one's head.
    """
    read = memoryview(bytearray(READ_BYTES))  # all share it: what is read is copied at once

    class Bounded(H11Protocol, asyncio.BufferedProtocol):
        conn: Connection
        waits_for: Wait | None = None
        since = 0.0
        _sends_ahead = False
        _timer: asyncio.TimerHandle | None = None
        _untaken_bytes = 0

        def connection_made(  # type: ignore[override]
            self, transport: asyncio.Transport
        ) -> None:
            if transport.get_extra_info("socket").family == socket.AF_UNIX:
                # BentoML's own, from the API process to the embedder.
                private = H11Protocol(self.config, self.server_state, self.app_state, self.loop)
                transport.set_protocol(private)
                private.connection_made(transport)
                return
            super().connection_made(transport)
            self.conn = Connection()
            transport.set_write_buffer_limits(0)  # so that write_paused says what is not taken
            if len(opened) >= most:
                patient = _most_patient(opened, self.loop.time()) or self
                opened.discard(patient)
                # Never close(), which waits for a client that does not read.
                patient.transport.abort()
                if patient is self:
                    return
            opened.add(self)
            self._wait(Wait.HEAD)

        def connection_lost(self, exc: Exception | None) -> None:
            opened.discard(self)
            self._wait(None)
            super().connection_lost(exc)

        def get_buffer(self, sizehint: int) -> memoryview:
            return read

        def buffer_updated(self, nbytes: int) -> None:
            self.data_received(bytes(read[:nbytes]))
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._sends_ahead = not self.cycle.response_complete
            self._watch()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._watch()

        def send_400_response(self, msg: str) -> None:
            if self.conn.between_requests:
                self.transport.write(_bad_request())
                self.transport.close()
            else:  # a request has its answer, or will have one
                self.transport.abort()

        def _should_upgrade(self) -> bool:
            return False  # there is no WebSocket here

        def _watch(self) -> None:
            waits_for = self._waits_for()
            if waits_for is not self.waits_for:
                self._wait(waits_for)

        def _waits_for(self) -> Wait | None:
            if self.flow.write_paused:
                return Wait.TAKE
            if self.cycle is None or self.cycle.response_complete:
                return Wait.HEAD
            if self.cycle.more_body:
                return Wait.BODY
            work = is_post(self.scope)  # type: ignore[arg-type]
            return Wait.TURN if self._sends_ahead or not work else None

        def _wait(self, waits_for: Wait | None) -> None:
            self.waits_for, self.since = waits_for, self.loop.time()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if waits_for is Wait.HEAD:
                self._timer = self.loop.call_later(head_timeout_s, self.transport.abort)
            elif waits_for is Wait.TAKE:
                self._untaken_bytes = self.transport.get_write_buffer_size()
                self._timer = self.loop.call_later(SEND_TIMEOUT_S, self._look_what_was_taken)

        def _look_what_was_taken(self) -> None:
            left_bytes = self.transport.get_write_buffer_size()
            if left_bytes <= self._untaken_bytes - LEAST_TAKEN_BYTES:
                self._wait(Wait.TAKE)
            else:
                self.transport.abort()

    def _most_patient(connections: Iterable[Bounded], now: float) -> Bounded | None:
        """Who has waited longest."""

        def patience(one: Bounded) -> tuple[bool, float]:
            waited_s = now - one.since
            return (one.waits_for is Wait.HEAD and waited_s > SILENT_S, waited_s)

        return max((one for one in connections if one.waits_for), key=patience, default=None)

    opened: set[Bounded] = set()
    HTTP_PROTOCOLS["auto"] = Bounded  # type: ignore[assignment]


def _bad_request() -> bytes:
    status = HTTPStatus.BAD_REQUEST
    metrics.REQUESTS_REFUSED.labels(str(int(status))).inc()
    request_log.write({"status": status, "error": NOT_HTTP})
    body = json.dumps({"error": NOT_HTTP, "detail": []}).encode()
    return (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"{HEADER}: {__version__}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
