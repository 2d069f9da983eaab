"""How the container's first process and the API process find each other."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from clip_ranker import entrypoint
from tests.running import HANGS_S, Service


class InContainer(Service):
    """Started as the image starts it."""

    command = (sys.executable, "-m", "clip_ranker.entrypoint", "serve")


@pytest.mark.parametrize("content", ["", "12x"])
def test_a_damaged_pid_file_does_not_end_the_entry_point(
    stored: Callable[[str], str], content: str
) -> None:
    with InContainer({"CLIP_MODEL": stored("tiny")}) as service:
        [api] = (one for one in service.processes() if "ClipRanker" in one.cmdline())
        Path(psutil.Process(api.pid).environ()[entrypoint.PID_FILE]).write_text(content)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(HANGS_S) == 0, service.log()


def test_the_pid_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file takes its place; what is open stays what it was."""
    pid_file = tmp_path / "pid"
    pid_file.write_text("before")
    monkeypatch.setenv(entrypoint.PID_FILE, str(pid_file))
    with pid_file.open() as opened:
        entrypoint.leave_pid()
        assert opened.read() == "before"
    assert pid_file.read_text() == str(os.getpid())
