"""Gives every error answer one shape, whoever raised it."""

import json
import logging
from contextlib import suppress
from http.client import responses
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_ranker import metrics
from clip_ranker.web import request_log

logger = logging.getLogger(__name__)

REPLACED_HEADERS = ("content-length", "content-type", "transfer-encoding")
RETRY_AFTER_S = "5"
SENTENCES = {
    404: "there is nothing at this path; the API is described at /docs.json",
    405: "this method is not allowed here; the Allow header names those that are",
    499: "the client hung up",
    500: "something went wrong in the service; its log tells what",
    504: "the request took too long; send fewer candidates at once",
}

PREFLIGHT = b"Disallowed CORS"  # Starlette's
OTHER_ORIGIN = "pages of this origin may not ask: CLIP_CORS_ORIGINS lists those that may"
OTHER_PREFLIGHT = "pages may send GET and POST, with Authorization and Content-Type"
NOT_JSON = {
    "EOF": "it ends in the middle, cut off or without a closing quote or bracket",
    "control character": "a line break or another control character in a text, where \\n would do",
    "expected value": "no value where there should be one",
    "invalid unicode code point": "bytes that are no UTF-8",
    "key must be a string": "a name without double quotes",
    "trailing characters": "something after its end",
    "trailing comma": "a comma with nothing after it",
}
"""What the parser says, by its first words, for people."""


class ErrorShape:
    """Rewrites the body of every answer from 400 up to ``{"error": …, "detail": […]}``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything but errors through untouched."""
        if scope["type"] == "lifespan":
            # Else POST /rank/ is sent on to http://…/rank, photo, key and all in plain text.
            scope["app"].router.redirect_slashes = False
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: Message | None = None
        started = False
        body = bytearray()

        async def shaping(message: Message) -> None:
            nonlocal held, started
            if message["type"] == "http.response.start" and message["status"] >= 400:
                held = message
                metrics.REQUESTS_REFUSED.labels(str(message["status"])).inc()
            elif held is None:
                started = True
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    started = True
                    await _shape(held, bytes(body))(scope, receive, send)

        try:
            await self._app(scope, receive, shaping)
        except Exception:
            logger.exception("a request failed")
            if started:
                raise
            await _shape({"status": 500, "headers": []}, b"")(scope, receive, send)


def _shape(start: Message, body: bytes) -> JSONResponse:
    status = start["status"]
    said: Any = None
    with suppress(ValueError):
        said = json.loads(body)
    content = _content(status, said)
    if body.startswith(PREFLIGHT):
        content["error"] = OTHER_ORIGIN if b"origin" in body else OTHER_PREFLIGHT
    request_log.tell(error=content["error"])
    kept = MutableHeaders(raw=list(start["headers"]))
    for name in REPLACED_HEADERS:
        del kept[name]
    if status in (429, 503):
        kept.setdefault("Retry-After", RETRY_AFTER_S)
    return JSONResponse(content, status, kept)


def _content(status: int, said: Any) -> dict[str, Any]:
    if isinstance(said, list) and len(said) == 1:
        said = said[0]  # BentoML's BadInput
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        if not isinstance(said.get("detail"), list):
            return {"error": SENTENCES.get(status, said["error"]), "detail": []}
        if all("loc" in fault for fault in said["detail"]) and said["detail"]:
            return _validation(said["detail"])
        return {"error": said["error"], "detail": said["detail"]}
    return {"error": SENTENCES.get(status, responses.get(status, "error").lower()), "detail": []}


def _validation(faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Pydantic's list of faults as fields and sentences."""
    detail = [{"field": _field(fault["loc"]), "message": _message(fault)} for fault in faults]
    more = f" (and {len(detail) - 1} more)" if len(detail) > 1 else ""
    return {"error": f"{detail[0]['field']}: {detail[0]['message']}{more}", "detail": detail}


def _message(fault: dict[str, Any]) -> str:
    if fault.get("type") != "json_invalid":
        return str(fault["msg"]).removeprefix("Value error, ")
    what, _, where = fault["msg"].removeprefix("Invalid JSON: ").rpartition(" at line ")
    line, _, column = where.partition(" column ")
    for said, words in NOT_JSON.items():
        if what.startswith(said):
            what = words
    return f"this is not JSON: {what}, in line {line} at byte {column}"


def _field(path: list[str | int]) -> str:
    """``["candidates", 3, "auction_id"]`` as ``candidates[3].auction_id``."""
    names = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(names).removeprefix(".") or "body"
