"""Process 1 of the container: runs ``bentoml``, and stops it without breaking a request.

``bentoml serve`` hands SIGTERM to the API and to the embedder at once and removes the socket
between them, so a request in flight ends in an error. Here SIGTERM first asks the API process to
finish what it has (``clip_ranker.web.drain``), which then ends the service by itself. Only the
standard library: this process stays, and should cost next to nothing.

CLIP_DRAIN_LIMIT_S  seconds after which the service is ended although requests are in flight
                    (90: above the upload and the ranking of one request together, 20 + 60)
"""

import logging
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger("clip_ranker.entrypoint")

CONTAINERIZED = "BENTOML_CONTAINERIZED"
"""Environment variable: where it is set BentoML does not start a process again that died."""
PID_FILE = "CLIP_PID_FILE"
"""Environment variable: where the API process leaves its process id."""
DRAIN_LIMIT_S = "90"
STOP_LIMIT_S = "5"
"""For connections that are open when all work is done, of clients that do not read."""
HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM}


def take_over() -> None:
    """Puts this module before ``bentoml serve`` where that is process 1, as in BentoML's image.

    Its Dockerfile offers no way to change the entry point. Elsewhere this does nothing.
    """
    if os.getpid() == 1 and CONTAINERIZED in os.environ:
        os.execv(sys.executable, [sys.executable, "-m", __name__, *sys.argv[1:]])


def main() -> int:
    """Runs ``bentoml`` with the arguments of this process; returns its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    limit_s = _limit_s(os.environ.get("CLIP_DRAIN_LIMIT_S") or DRAIN_LIMIT_S)
    environment = {k: v for k, v in os.environ.items() if k != CONTAINERIZED}
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    with tempfile.TemporaryDirectory(prefix="clip-ranker-") as folder:
        pid_file = Path(folder) / "api.pid"
        service = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "bentoml", *_arguments(sys.argv[1:])],
            environment | {PID_FILE: str(pid_file)},
            setsigmask=(),
            setsid=True,  # else Ctrl-C in a terminal reaches the service past this process
        )
        return _supervise(service, pid_file, limit_s)


def leave_pid() -> None:
    """Tells the process that runs ``main``, if there is one, which process to ask to finish."""
    if path := os.environ.get(PID_FILE):
        whole = Path(f"{path}.new")
        whole.write_text(str(os.getpid()))
        whole.replace(path)


def _arguments(given: list[str]) -> list[str]:
    # uvicorn by itself waits for ever for a client that does not read its answer.
    limit = ["--timeout-graceful-shutdown", STOP_LIMIT_S] if given[:1] == ["serve"] else []
    return [*given[:1], *limit, *given[1:]]


def _limit_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise SystemExit(f"CLIP_DRAIN_LIMIT_S: give seconds above 0, not '{text}'")
    return seconds


def _supervise(service: int, pid_file: Path, limit_s: float) -> int:
    stopping = False
    while (code := _reap(service)) is None:
        number = signal.sigwait(HANDLED)
        if number == signal.SIGCHLD:
            continue
        if not stopping and _drain(pid_file):
            logger.info("stopping: requests in flight have up to %g s to finish", limit_s)
            signal.setitimer(signal.ITIMER_REAL, limit_s)
        else:  # nobody to ask, asked twice, or not done in time
            logger.info("stopping at once")
            os.kill(service, signal.SIGTERM)
        stopping = True
    return code


def _drain(pid_file: Path) -> bool:
    """Asks the API process; False when it is starting or away."""
    try:
        pid = int(pid_file.read_text())
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return False  # dead, only its supervisor has not noticed yet
        os.kill(pid, signal.SIGUSR1)
    except (OSError, ValueError):
        return False
    return True


def _reap(service: int) -> int | None:
    """Collects ended children, adopted ones too; the exit code once the service is among them."""
    code = None
    with suppress(ChildProcessError):  # none left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == service:
                code = os.waitstatus_to_exitcode(ended[1])
    return 128 - code if code is not None and code < 0 else code  # as a shell puts a signal


if __name__ == "__main__":
    sys.exit(main())
