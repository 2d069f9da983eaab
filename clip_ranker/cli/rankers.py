"""Two ways to rank: by asking a running service, or in this process."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import chain

import httpx
from pydantic import ValidationError

from clip_ranker.cli.inputs import FILE, CliError, UsageError, read_picture
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.pictures.pictures import EXAMPLES, Pictures
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import Failure, RankRequest, RankResponse, Result
from clip_ranker.settings import get_settings

Advance = Callable[[], None]  # to be called for each listing as it is done
READERS = {**EXAMPLES, FILE: read_picture}  # of URLs that are no downloads, by scheme
TIMEOUT_S = httpx.Timeout(90, connect=10)  # between two events, the first included
NEVER_S = 1e6  # somebody watches the progress bar and can press Ctrl-C
KEY = re.compile(r"[\x21-\x7e]+")
PATH = "/rank/stream"
OTHER_VERSION = "the service answers in a form of another version"
NO_RANKER = "what answers there is no clip-ranker"


def ask(request: RankRequest, advance: Advance, *, url: str) -> RankResponse:
    """What the service at a URL answers.

    Raises:
        CliError: the service cannot be reached, or says no.
        UsageError: no header takes the key in ``CLIP_API_KEY``.
    """
    key = os.environ.get("CLIP_API_KEY")
    if key and not KEY.fullmatch(key):
        # Never quoted: what a person sees ends up in logs and bug reports.
        raise UsageError("CLIP_API_KEY: a key is made of ASCII characters without spaces")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = request.model_dump(mode="json", exclude_none=True)
    try:
        asked = url.rstrip("/") + PATH
        with httpx.stream("POST", asked, json=body, headers=headers, timeout=TIMEOUT_S) as response:
            if response.status_code != httpx.codes.OK:
                raise CliError(_refusal(response))
            answer = _last(response.iter_lines(), advance)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CliError(f"--url: {url} is not a URL that can be asked: {error}") from error
    except httpx.RequestError as error:
        raise CliError(f"the service at {url} cannot be reached: {error}") from error
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "answer"
        raise CliError(f"{OTHER_VERSION}: {field}") from error
    sent = {candidate.auction_id for candidate in request.candidates}
    named = (entry.auction_id for entry in chain[Result | Failure](answer.results, answer.failed))
    if not sent.issuperset(named):
        raise CliError(f"{OTHER_VERSION}: it names listings that were not sent")
    return answer


def _last(lines: Iterator[str], advance: Advance) -> RankResponse:
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
                raise CliError(f"the service says: {said}")
            case {"type": "scored" | "failed"}:
                advance()
            case _:
                raise CliError(f"{NO_RANKER} (its answer begins with {line[:40]!r})")
    raise CliError("the service stopped in the middle of its answer, try again")


def _refusal(response: httpx.Response) -> str:
    if response.has_redirect_location:
        target = str(response.url.join(response.headers["location"])).removesuffix(PATH)
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


async def rank(request: RankRequest, advance: Advance, *, model: str | None) -> RankResponse:
    """As the service would answer, with the model from the store and the service's own parts.

    Raises:
        ModelNotFoundError: the store has no such model.
        BadRequestError: the photo cannot be had or read.
    """
    settings = get_settings()
    stored = store.load(model or settings.model)
    encoder = Encoder(stored.graph, threads=settings.embed_threads)
    pictures = Pictures(
        stored, settings, lambda pixels: asyncio.to_thread(encoder, pixels), READERS
    )
    try:
        async with Ranking(request, pictures, timeout_s=NEVER_S) as ranking:
            async for _ in ranking.events():
                advance()
        return ranking.answer(stored.name)
    finally:
        await pictures.close()
