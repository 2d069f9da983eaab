"""Bounds what connections cost that bring no request: the part of HTTP that is uvicorn's.

uvicorn waits for ever for the head of a request and has no limit on connections: a thousand clients
that connect and say nothing would use up the open files of a laptop's process, and with them the
downloads. Behind Caddy it is Caddy that waits; inside the Docker network everybody can connect.
"""

import asyncio
import json
from http import HTTPStatus

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol

SEND_TIMEOUT_S = 30
"""For the client to take a piece of an answer."""
NOT_HTTP = "this is no proper HTTP request"


def bound(*, most: int, head_timeout_s: float) -> None:
    """Makes the server of this process use connections with limits.

    Args:
        most: connections at once; one more takes the place of one that waits for its client.
        head_timeout_s: from the connection, or the end of a request, to the next one's head.
    """
    opened: dict[H11Protocol, None] = {}

    class Bounded(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_made(  # type: ignore[override]
            self, transport: asyncio.Transport
        ) -> None:
            if len(opened) >= most:
                _make_room(opened)
            opened[self] = None
            super().connection_made(transport)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            opened.pop(self, None)
            self._unwatch()
            if self._unread is not None:
                self._unread.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(SEND_TIMEOUT_S, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._unread is not None:
                self._unread.cancel()

        def send_400_response(self, msg: str) -> None:
            if _is_at_work(self):  # the garbage comes behind a request
                self.transport.abort()
            else:
                self.transport.write(_bad_request())
                self.transport.close()

        def _should_upgrade(self) -> bool:
            return False  # there is no WebSocket here

        def _watch(self) -> None:
            if _is_at_work(self):
                self._unwatch()
            elif self._deadline is None:
                # Not close(), which waits for a client that does not read.
                self._deadline = self.loop.call_later(head_timeout_s, self.transport.abort)

        def _unwatch(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    HTTP_PROTOCOLS["auto"] = Bounded  # type: ignore[assignment]


def _is_at_work(connection: H11Protocol) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete


def _make_room(opened: dict[H11Protocol, None]) -> None:
    """Closes the oldest that has a request neither under way nor whole."""
    for connection in opened:
        if not _is_at_work(connection) or connection.cycle.more_body:
            del opened[connection]
            connection.transport.abort()
            return


def _bad_request() -> bytes:
    body = json.dumps({"error": NOT_HTTP, "detail": []}).encode()
    status = HTTPStatus.BAD_REQUEST
    return (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
