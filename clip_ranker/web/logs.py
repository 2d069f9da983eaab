"""What goes into the log, and what strangers send that does not."""

import logging
import sys
import traceback

NOISY = "bentoml._internal.server.http_app"
"""Logs a traceback for every failed call, 400s with the photo and the URLs in it included."""


def without_input(record: logging.LogRecord) -> bool:
    """Tells what kind of exception was raised and where, not what it says: it may quote a request.

    A filter; it keeps every record.
    """
    if record.exc_info and (error := record.exc_info[1]):
        trace = "".join(traceback.format_tb(error.__traceback__))
        record.msg = f"{record.getMessage()}: {type(error).__name__}\n{trace}"
        record.args, record.exc_info = (), None
    return True


def _no_value_errors(record: logging.LogRecord) -> bool:
    """They are pydantic's, or of a broken body: the request's own line tells of the 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], ValueError))


def set_up() -> None:
    """Keeps input out of this process's log, and lets our own lines into it."""
    logging.getLogger(NOISY).addFilter(_no_value_errors)
    for name in (NOISY, "uvicorn.error"):
        logging.getLogger(name).addFilter(without_input)
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
    handler.addFilter(without_input)
    handler.setFormatter(logging.Formatter(line))
    return handler
