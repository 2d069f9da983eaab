"""A running service, asked."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import httpx
from pydantic import ValidationError

from clip_ranker.cli.inputs import CliError, PhotoError, UsageError
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.models import ModelsResponse
from clip_ranker.rank.prefetch import PrefetchResponse
from clip_ranker.rank.schema import Failure, RankRequest, RankResponse, Result

TIMEOUT_S = httpx.Timeout(90, connect=10)  # between two events, the first included
KEY = re.compile(r"[\x21-\x7e]+")
RANK, PREFETCH, MODELS, HEALTH = "/rank/stream", "/prefetch", "/models", "/healthz"
MOST_AT_ONCE = 200
"""Listings in one prefetch; a service takes as many unless its operator chose otherwise."""
MOST_WAIT_S = 5
"""What a busy service may ask for; it is asked once more then, as by the TypeScript client."""
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
OF_THE_PHOTO = (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE)
OTHER_VERSION = "the service answers in a form of another version"
NO_RANKER = "what answers there is no clip-ranker"


class _BusyError(CliError):
    """The service says when to come back, and that is soon."""

    def __init__(self, said: str, wait_s: int) -> None:
        super().__init__(said)
        self.wait_s = wait_s


def ask(request: RankRequest, advance: Callable[[], None], *, url: str) -> RankResponse:
    """What the service at a URL answers; ``advance`` is called for each listing as it is done.

    Raises:
        CliError: the service cannot be reached, or says no.
        PhotoError: it says no to this request.
        UsageError: no header takes the key in ``CLIP_API_KEY``.
    """
    try:
        return _ask(request, advance, url)
    except _BusyError as error:
        time.sleep(error.wait_s)
        return _ask(request, advance, url)


def _ask(request: RankRequest, advance: Callable[[], None], url: str) -> RankResponse:
    body = request.model_dump(mode="json", exclude_none=True)
    with (
        _talking(url),
        httpx.stream("POST", _at(url, RANK), json=body, headers=_key(), timeout=TIMEOUT_S) as said,
    ):
        _check(said)
        answer = _last(said.iter_lines(), advance)
    sent = {candidate.auction_id for candidate in request.candidates}
    named = (entry.auction_id for entry in chain[Result | Failure](answer.results, answer.failed))
    if not sent.issuperset(named):
        raise CliError(f"{OTHER_VERSION}: it names listings that were not sent")
    return answer


def prefetch(
    listings: list[Candidate], image_resize: int, model: str | None, *, url: str
) -> PrefetchResponse:
    """What the service at a URL says to a prefetch; raises as ``ask``."""
    candidates = [listing.model_dump(mode="json", exclude_none=True) for listing in listings]
    body = {"candidates": candidates, "image_resize": image_resize, "model": model}
    with _talking(url):
        said = httpx.post(_at(url, PREFETCH), json=body, headers=_key(), timeout=TIMEOUT_S)
        _check(said)
        return PrefetchResponse.model_validate(_json_of(said))


def models(*, url: str) -> ModelsResponse:
    """What the service at a URL says of its models; raises as ``ask``."""
    with _talking(url):
        said = httpx.get(_at(url, MODELS), timeout=TIMEOUT_S)
        _check(said)
        return ModelsResponse.model_validate(_json_of(said))


def health(*, url: str) -> str:
    """Version of a service that can embed; raises as ``ask`` where it cannot."""
    with _talking(url):
        said = httpx.get(_at(url, HEALTH), timeout=TIMEOUT_S)
        _check(said)
    if said.text != "ok" or not (version := said.headers.get("x-clip-ranker-version")):
        raise CliError(f"{NO_RANKER} (its answer begins with {said.text[:40]!r})")
    return str(version)


@contextmanager
def _talking(url: str) -> Iterator[None]:
    """Says of what fails below it what to do about it."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CliError(f"--url: {url} is not a URL that can be asked: {error}") from error
    except httpx.RequestError as error:
        raise CliError(f"the service at {url} cannot be reached: {error}") from error
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "answer"
        raise CliError(f"{OTHER_VERSION}: {field}") from error


def _at(url: str, path: str) -> str:
    return url.rstrip("/") + path


def _key() -> dict[str, str]:
    key = os.environ.get("CLIP_API_KEY")
    if key and not KEY.fullmatch(key):
        # Never quoted: what a person sees ends up in logs and bug reports.
        raise UsageError("CLIP_API_KEY: a key is made of ASCII characters without spaces")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _json_of(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise CliError(f"{NO_RANKER} (its answer begins with {response.text[:40]!r})") from None


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    said = _refusal(response)
    if response.status_code in OF_THE_PHOTO:
        raise PhotoError(said)
    wait = response.headers.get("retry-after", "")
    if response.status_code in BUSY and wait.isdecimal() and int(wait) <= MOST_WAIT_S:
        raise _BusyError(said, int(wait))
    raise CliError(said)


def _last(lines: Iterator[str], advance: Callable[[], None]) -> RankResponse:
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            if line.startswith("{"):
                break
            event = None
        match event:
            case {"type": "answer", "answer": answer}:
                return RankResponse.model_validate(answer)
            case {"type": "error", "error": said}:
                raise PhotoError(f"the service says: {said}")
            case {"type": "scored" | "failed"}:
                advance()
            case _:
                raise CliError(f"{NO_RANKER} (its answer begins with {line[:40]!r})")
    raise CliError("the service stopped in the middle of its answer, try again")


def _refusal(response: httpx.Response) -> str:
    if response.has_redirect_location:
        target = str(response.url.join(response.headers["location"]))
        for path in (RANK, PREFETCH, MODELS, HEALTH):
            target = target.removesuffix(path)
        return f"it redirects to {target}: give that as --url"
    response.read()
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return "the service wants a key: set CLIP_API_KEY to it"
    try:
        said = response.json()["error"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return f"{NO_RANKER} (HTTP {response.status_code})"
    wait = response.headers.get("retry-after")
    return f"the service says: {said}" + (f" (try again in {wait} s)" if wait else "")
