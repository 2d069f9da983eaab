"""From what an API method returns or raises to the HTTP answer."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from pydantic import BaseModel
from starlette.responses import Response

from clip_ranker.errors import RequestError
from clip_ranker.rank.prefetch import PrefetchResponse
from clip_ranker.rank.schema import RankResponse
from clip_ranker.web.asgi import error_response

P = ParamSpec("P")
T = TypeVar("T")


def answers(api: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Makes the whole answer, so that BentoML has nothing left to add.

    It would log a ``RequestError`` with the request in it and answer in a shape of its own, and
    has no way to set a status or a header without the loss of others. The annotations stay what
    BentoML documents.
    """

    @functools.wraps(api)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            answer = await api(*args, **kwargs)
        except RequestError as error:
            return cast(T, error_response(error))
        if not isinstance(answer, BaseModel):
            return answer
        status = 202 if isinstance(answer, PrefetchResponse) else 200
        response = Response(
            answer.model_dump_json(exclude_none=True), status, media_type="application/json"
        )
        if isinstance(answer, RankResponse):
            stages = answer.meta.timing_ms.model_dump(exclude_none=True)
            timing = (f"{stage};dur={spent_ms:.1f}" for stage, spent_ms in stages.items())
            response.headers["Server-Timing"] = ", ".join(timing)
        return cast(T, response)

    return wrapped
