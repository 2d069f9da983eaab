import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT


def imported(folder: Path) -> "subprocess.Popen[bytes]":
    """A process that has imported the metrics and ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import clip_ranker.metrics; print(flush=True); input()"],
        cwd=ROOT,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"\n"
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing reserves room on a disk")
def test_their_files_have_their_room_on_the_disk_before_it_is_needed(tmp_path: Path) -> None:
    imported(tmp_path).communicate(b"\n")
    files = list(tmp_path.iterdir())
    assert {file.name.partition("_")[0] for file in files} == {"counter", "gauge", "histogram"}
    for file in files:
        assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_what_a_killed_process_had_in_flight_no_longer_counts(tmp_path: Path) -> None:
    killed, alive = imported(tmp_path), imported(tmp_path)
    killed.kill()
    killed.communicate()
    later = imported(tmp_path)
    gauges = {int(file.stem.rpartition("_")[2]) for file in tmp_path.glob("gauge_*")}
    assert gauges == {alive.pid, later.pid}
    for process in (alive, later):
        process.communicate(b"\n")
    counters = {int(file.stem.rpartition("_")[2]) for file in tmp_path.glob("counter_*")}
    assert counters == {killed.pid, alive.pid, later.pid}
