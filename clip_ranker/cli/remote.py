"""Has a running service rank."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from clip_ranker.cli.inputs import CliError
from clip_ranker.cli.show import Advance
from clip_ranker.schema import RankRequest, RankResponse

CONNECT_TIMEOUT_S = 10
EVENT_TIMEOUT_S = 90


def rank(request: RankRequest, advance: Advance, *, url: str, key: str | None) -> RankResponse:
    """The service's answer, with ``advance`` called for each listing as it is done.

    Raises:
        CliError: the service cannot be reached, or says no.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = httpx.Timeout(EVENT_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    body = request.model_dump(mode="json", exclude_none=True)
    try:
        with httpx.stream(
            "POST", f"{url.rstrip('/')}/rank/stream", json=body, headers=headers, timeout=timeout
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise CliError(_refusal(response))
            return _last(response.iter_lines(), advance)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CliError(f"--url: {url} is not a URL that can be asked: {error}") from error
    except httpx.TransportError as error:
        raise CliError(f"the service at {url} cannot be reached: {error}") from error


def _last(lines: Iterator[str], advance: Advance) -> RankResponse:
    for line in lines:
        event: dict[str, Any] = json.loads(line)
        if event["type"] == "answer":
            return RankResponse.model_validate(event["answer"])
        if event["type"] == "error":
            raise CliError(f"the service says: {event['error']}")
        advance()
    raise CliError("the service stopped in the middle of its answer, try again")


def _refusal(response: httpx.Response) -> str:
    response.read()
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return "the service wants a key: set CLIP_API_KEY to it"
    try:
        said = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return f"what answers there is no clip-ranker (HTTP {response.status_code})"
    wait = response.headers.get("retry-after")
    return f"the service says: {said}" + (f" (try again in {wait} s)" if wait else "")
