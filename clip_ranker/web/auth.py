"""The optional keys: where there are some, every POST has to bring one."""

import asyncio
import hmac
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker import metrics
from clip_ranker.errors import BusyError, RequestError, UnauthorisedError
from clip_ranker.web import request_log
from clip_ranker.web.asgi import error_response, is_post
from clip_ranker.web.client import KEY_NAME, client_of

NAMED = re.compile(r"([A-Za-z][\w.-]{0,31}):(.+)", re.ASCII)
UNNAMED = "unnamed"
GUESS_TAKES_S = 1.0
MOST_GUESSES = 10
"""Waiting for their answers, of one client."""


class Key(NamedTuple):
    """A key and its name, which may be told."""

    name: str
    secret: bytes

    @classmethod
    def parse(cls, entry: str) -> "Key":
        """Reads ``name:secret``, or a secret alone."""
        named = NAMED.fullmatch(entry)
        return cls(named[1], named[2].encode()) if named else cls(UNNAMED, entry.encode())


class ApiKey:
    """Wants ``Authorization: Bearer`` and any of the keys, where there are some.

    The answer to a wrong one comes late, and a client has few of these under way: guessing takes
    time, and costs nothing here.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [Key.parse(key) for key in keys]
        self._guesses: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or answers 401."""
        if self._keys and is_post(scope):
            try:
                scope[KEY_NAME] = await self._name(scope)
            except RequestError as error:
                await error_response(error)(scope, receive, send)
                return
            request_log.tell(key=scope[KEY_NAME])
            metrics.REQUESTS.labels(scope[KEY_NAME]).inc()
        await self._app(scope, receive, send)

    async def _name(self, scope: Scope) -> str:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        guess = given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        client = client_of(scope).address
        if self._guesses[client] >= MOST_GUESSES:
            raise BusyError("too many wrong keys from here, try again in a moment")
        # Every key is compared, each in constant time: the time tells nothing about any of them.
        matches = [key for key in self._keys if hmac.compare_digest(guess, key.secret)]
        if matches:
            return matches[0].name
        if guess:
            self._guesses[client] += 1
            try:
                await asyncio.sleep(GUESS_TAKES_S)
            finally:
                self._guesses -= Counter([client])  # forgets who guesses no more
        raise UnauthorisedError("send the key as a header: Authorization: Bearer <key>")
