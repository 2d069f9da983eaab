"""Takes in the body of a POST under its limits, then watches for the client to hang up."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_ranker.errors import (
    BadRequestError,
    BodyTooLargeError,
    BusyError,
    RequestError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from clip_ranker.settings import Settings
from clip_ranker.web.asgi import error_response, is_post
from clip_ranker.web.encoded_body import to_json_text

MOST_MARKS = 50_000
"""Brackets and commas in a body; the largest request of the default limits has some 2,000."""
MOST_BODIES = 400
"""At once: each counts for at least that part of ``max_bodies_bytes``, as it holds an open file."""
CLIENT_CLOSED_REQUEST = 499
"""nginx's number for a client that has gone. Nobody reads the answer but the access log, and
BentoML's own time-out, which waits for one to begin and would hold up the end of the service."""
_gone = Response(status_code=CLIENT_CLOSED_REQUEST)


class Body:
    """Reads the whole body, replays it to the app, and cancels the app when the client leaves.

    BentoML itself reads without a limit and works on for clients that have gone.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._limits = settings
        self._held_bytes = 0
        # Of requests whose body is here: a client that only drips one in holds no place.
        self._places = asyncio.Semaphore(settings.max_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on what is not a POST; refuses in our one shape."""
        if not is_post(scope):
            await self._app(scope, receive, send)
            return
        with self._holding() as hold:
            try:
                unread = await self._read(hold, Headers(scope=scope), receive)
                if unread and self._places.locked():
                    most = self._limits.max_requests
                    raise BusyError(f"{most} requests are under way, try again in a moment")
            except RequestError as error:
                await error_response(error)(scope, receive, send)
                return
            if not unread:
                await _gone(scope, receive, send)
                return
            async with self._places:
                await self._run(unread, scope, receive, send)

    @contextlib.contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """Reserves bytes as a body grows to them, and gives them back at the end."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            self._check_size(size)
            more = max(size, self._limits.max_bodies_bytes // MOST_BODIES) - held
            if self._held_bytes + more > self._limits.max_bodies_bytes:
                raise BusyError("too many large requests are under way, try again in a moment")
            held += more
            self._held_bytes += more

        try:
            yield hold
        finally:
            self._held_bytes -= held

    async def _read(
        self, hold: Callable[[int], None], headers: Headers, receive: Receive
    ) -> list[Message]:
        """The whole body as one message; nothing when the client left half-way."""
        _check_type(headers)
        announced = headers.get("content-length", "")
        self._check_size(int(announced) if announced.isdecimal() else 0)
        body = bytearray()
        hold(len(body))
        try:
            async with asyncio.timeout(self._limits.upload_timeout_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return []
                    body += message.get("body", b"")
                    hold(len(body))
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"the body took more than {self._limits.upload_timeout_s:g} s to arrive"
            ) from error
        encoding, most = headers.get("content-encoding", ""), self._limits.max_body_bytes
        text = await asyncio.to_thread(to_json_text, body, encoding, most)
        hold(len(text))
        _check_marks(text)
        return [{"type": "http.request", "body": text, "more_body": False}]

    def _check_size(self, size: int) -> None:
        if size > (most := self._limits.max_body_bytes):
            raise BodyTooLargeError(
                f"the body is over {most} bytes: shrink the photo, 768 pixels are enough"
            )

    async def _run(self, unread: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        leaving = asyncio.ensure_future(receive())  # after the body nothing else can come

        async def replay() -> Message:
            # The body is large, and the app's alone from here.
            return unread.pop() if unread else await asyncio.shield(leaving)

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        work = asyncio.ensure_future(self._app(scope, replay, noting))
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not work.cancelled():
                return work.result()
            if not leaving.done():
                raise RuntimeError("the work on a request was cut off")
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            if not started:
                await _gone(scope, receive, send)
        finally:
            for task in (work, leaving):
                task.cancel()


def _check_marks(body: bytes) -> None:
    """Parsing takes memory by the value, and happens in one go on the event loop."""
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) > MOST_MARKS:
        raise BadRequestError("the body holds too many values; see /docs.json for what is wanted")


def _check_type(headers: Headers) -> None:
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaTypeError(
            f"the body must be JSON: send Content-Type: application/json, not {kind[:100]!r}"
        )
