"""What goes into the log, and what strangers send that does not."""

import logging
import sys
import traceback

NOISY = "bentoml._internal.server.http_app"
"""Logs a traceback for every failed call, 400s with the photo and the URLs in it included."""


class WithoutInput(logging.Filter):
    """Tells what kind of exception was raised and where, not what it says: it may quote a request.

    Args:
        drop: exceptions not worth a line.
    """

    def __init__(self, *drop: type[BaseException]) -> None:
        super().__init__()
        self._drop = drop

    def filter(self, record: logging.LogRecord) -> bool:
        """Strips a record of its exception's text."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        if isinstance(error, self._drop):
            return False
        trace = "".join(traceback.format_tb(error.__traceback__))
        record.msg = f"{record.getMessage()}: {type(error).__name__}\n{trace}"
        record.args, record.exc_info = (), None
        return True


def set_up() -> None:
    """Keeps input out of this process's log, and lets our own lines into it."""
    # A ValueError is pydantic's, or of a broken body: the request's own line tells of the 400.
    logging.getLogger(NOISY).addFilter(WithoutInput(ValueError))
    logging.getLogger("uvicorn.error").addFilter(WithoutInput())
    for name in ("httpx", "httpcore"):  # their INFO and DEBUG lines hold URLs
        logging.getLogger(name).setLevel(logging.WARNING)
    ours = logging.getLogger("clip_ranker")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(_to_stdout("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    requests = logging.getLogger("clip_ranker.web.request_log")
    requests.propagate = False  # a line is a JSON object, nothing else
    requests.addHandler(_to_stdout("%(message)s"))


def _to_stdout(line: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(WithoutInput())
    handler.setFormatter(logging.Formatter(line))
    return handler
