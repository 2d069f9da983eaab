"""Takes in the body of a POST under its limits, then watches for the client to hang up."""

import asyncio
from contextlib import AsyncExitStack

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
from clip_ranker.web.client import Client, client_of
from clip_ranker.web.encoded_body import to_json_text
from clip_ranker.web.shares import BodyBytes, RequestPlaces

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
        self._bytes = BodyBytes(settings.max_bodies_bytes, settings.max_bodies_bytes // MOST_BODIES)
        # Of requests whose body is here: a client that only drips one in holds no place.
        self._places = RequestPlaces(settings.max_requests)
        # One at a time, because it counts only when it is known how much comes out.
        self._unfolding = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on what is not a POST; refuses in our one shape."""
        if not is_post(scope):
            await self._app(scope, receive, send)
            return
        client = client_of(scope)
        async with AsyncExitStack() as held:
            try:
                unread = await self._read(client, held, Headers(scope=scope), receive)
                if unread:
                    await held.enter_async_context(self._places.hold(client))
            except RequestError as error:
                await error_response(error)(scope, receive, send)
                return
            if unread:
                await self._run(unread, scope, receive, send)
            else:
                await _gone(scope, receive, send)

    async def _read(
        self, client: Client, held: AsyncExitStack, headers: Headers, receive: Receive
    ) -> list[Message]:
        """The whole body as one message, its bytes ``held``; nothing when the client left."""
        _check_type(headers)
        announced = headers.get("content-length", "")
        self._check_size(int(announced) if announced.isdecimal() else 0)
        body = bytearray()
        limit = asyncio.timeout(self._limits.upload_timeout_s)
        upload = held.enter_context(self._bytes.hold(client, limit))
        self._bytes.grow(upload, 0)
        try:
            async with limit:
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return []
                    body += message.get("body", b"")
                    self._check_size(len(body))
                    self._bytes.grow(upload, len(body))
                    more = message.get("more_body", False)
        except TimeoutError as error:
            if upload.gave_way:
                raise BusyError("the body stood still while others came, send it again") from error
            raise RequestTimeoutError(
                f"the body took more than {self._limits.upload_timeout_s:g} s to arrive"
            ) from error
        finally:
            self._bytes.arrived(upload)
        encoding, most = headers.get("content-encoding", ""), self._limits.max_body_bytes
        async with self._unfolding:
            text = await asyncio.to_thread(to_json_text, body, encoding, most)
            self._bytes.grow(upload, len(text))
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
            await asyncio.wait({work})
            if not started:
                await _gone(scope, receive, send)
        finally:
            for task in (work, leaving):
                task.cancel()
            # Its place and its bytes are held until the work has really ended.
            await asyncio.gather(work, leaving, return_exceptions=True)


def _check_marks(body: bytes) -> None:
    """Parsing takes memory by the value, and happens in one go on the event loop."""
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) > MOST_MARKS:
        raise BadRequestError("the body holds too many values; see /docs.json for what is wanted")


def _check_type(headers: Headers) -> None:
    no_body = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    if no_body and "content-type" not in headers:
        return
    # None is not taken for JSON: any web page may send such a body without asking first.
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaTypeError(
            f"the body must be JSON: send Content-Type: application/json, not {kind[:100]!r}"
        )
