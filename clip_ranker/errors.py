"""One tree for everything that can go wrong with a picture or a request."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

MESSAGES_FILE = Path(__file__).with_name("messages.json")
"""By reason and detail code, each sentence in every language that pages and clients speak."""
MESSAGES: dict[str, Any] = json.loads(MESSAGES_FILE.read_text(encoding="utf-8"))


class ClipRankerError(Exception):
    """Base of every error this package raises on purpose. Its text is written for people."""


class CandidateError(ClipRankerError):
    """One picture could not be ranked; the others go on.

    Args:
        code: of what happened, from ``messages.json``; its English sentence is the text.
        params: what stands in the sentence's ``{}``.
    """

    reason: ClassVar[str]

    def __init__(self, code: str, **params: str | float) -> None:
        shown = {k: f"{v:g}" if isinstance(v, float) else v for k, v in params.items()}
        super().__init__(MESSAGES[self.reason]["details"][code]["en"].format_map(shown))
        self.code = code
        self.params = params

    def told(self) -> dict[str, Any]:
        """Why, as answers have it: for programs, for people, and for people in their language."""
        return {
            "reason": self.reason,
            "detail": str(self),
            "detail_code": self.code,
            "detail_params": self.params,
        }


class DownloadFailedError(CandidateError):
    """No usable answer: an HTTP status, a refused or broken connection."""

    reason = "download_failed"


class TimedOutError(CandidateError):
    """No complete answer within the time a download, or the request, has."""

    reason = "timed_out"


class UrlBlockedError(CandidateError):
    """The URL is malformed, or its host is unknown, private or not allowed."""

    reason = "url_blocked"


class TooLargeError(CandidateError):
    """More bytes or pixels than the limits admit."""

    reason = "too_large"


class NotAnImageError(CandidateError):
    """The bytes are no picture of a supported format, or a broken one."""

    reason = "not_an_image"


class NoImageError(CandidateError):
    """The listing has no picture: its ``image_url`` is missing, empty or no text."""

    reason = "no_image"


class EmbedFailedError(CandidateError):
    """The model could not make a vector of this picture."""

    reason = "embed_failed"


class RequestError(ClipRankerError):
    """The whole request is answered with an error.

    Args:
        error: one sentence for people that names the field and the fix.
        detail: one entry a fault, for programs.
    """

    status: ClassVar[int]
    retry_after_s: int | None = None

    def __init__(self, error: str, detail: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(error)
        self.detail = list(detail)


class BadRequestError(RequestError):
    """The request itself is wrong; sending it again will not help."""

    status = 400


class UnauthorisedError(RequestError):
    """No key, or a wrong one."""

    status = 401


class ForbiddenError(RequestError):
    """A page of an origin that may not call."""

    status = 403


class NotFoundError(RequestError):
    """What the request names is not here, or not any more."""

    status = 404


class RequestTimeoutError(RequestError):
    """The body did not arrive in time."""

    status = 408


class BodyTooLargeError(RequestError):
    """The body is over the limit."""

    status = 413


class UnsupportedMediaTypeError(RequestError):
    """The body is not JSON, or packed in a way that is not read."""

    status = 415


class BusyError(RequestError):
    """As many requests as the service takes are under way."""

    status = 429
    retry_after_s = 2


class RateLimitError(RequestError):
    """More requests than one client may send in a time."""

    status = 429

    def __init__(self, error: str, retry_after_s: int) -> None:
        super().__init__(error)
        self.retry_after_s = retry_after_s


class EmbedderUnavailableError(RequestError):
    """The embedder process is starting, dead or hung; worth another try soon."""

    status = 503
    retry_after_s = 10


class NotStoredError(RequestError):
    """What was to be kept cannot be written: no room, or not allowed."""

    status = 507


class DeadlineError(RequestError):
    """The photo itself was not embedded before the request's deadline."""

    status = 503
    retry_after_s = 2


class ModelNotFoundError(ClipRankerError):
    """The BentoML store has no model of that name, or one this version cannot read."""


class ImportRefusedError(ClipRankerError):
    """``import_model.py`` stores no model; the text says why and what to do."""
