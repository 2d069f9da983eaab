"""What goes into the log, and what strangers send that does not."""

import logging
import sys

NOISY = "bentoml._internal.server.http_app"
"""Logs a traceback for every failed call, 400s with the photo and the URLs in it included."""


class WithoutInput(logging.Filter):
    """Names the exception and where it was raised, not what it says: it may quote the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drops what the access log tells as a 4xx already; strips the rest."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return True
        if isinstance(error, ValueError):  # pydantic's, and what a broken body raises
            return False
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "?"
        record.msg = f"{record.getMessage()}: {type(error).__name__} in {where}"
        record.args, record.exc_info = (), None
        return True


def set_up() -> None:
    """Keeps input out of this process's log, and lets our own lines into it."""
    logging.getLogger(NOISY).addFilter(WithoutInput())
    for name in ("httpx", "httpcore"):  # their INFO and DEBUG lines hold URLs
        logging.getLogger(name).setLevel(logging.WARNING)
    ours = logging.getLogger("clip_ranker")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(_to_stdout("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    requests = logging.getLogger("clip_ranker.requests")  # a line is a JSON object, nothing else
    requests.propagate = False
    requests.addHandler(_to_stdout("%(message)s"))


def _to_stdout(line: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(line))
    return handler
