"""A clock that jumps by an hour and by a day, back and forth, under load.

libfaketime moves what the processes read; the monotonic clock stays, as it does on a real machine.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.load import (
    LASTS_S,
    Load,
    assert_nothing_left,
    assert_quiet,
    assert_right_again,
    used,
)
from tests.image_server import ImageServer
from tests.running import Service

JUMPS = ("+1h", "+0", "-1h", "+0", "+1d", "-1d", "+1d", "+0")
EVERY_S = 1


def test_a_clock_that_jumps_costs_nothing(
    start: Callable[..., Service],
    images: ImageServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")  # Debian's faketime
    clock = tmp_path / "clock"

    def jump(to: str) -> None:
        whole = tmp_path / "new"
        whole.write_text(to)
        whole.replace(clock)

    jump("+0")
    service = start(
        Service,
        LD_PRELOAD=str(library),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        DONT_FAKE_MONOTONIC="1",
    )
    with Load(service, images):  # buffers, threads and caches reach their size
        time.sleep(LASTS_S / 10)
    service.wait_until_idle()
    before = used(service)
    end, jumps = time.monotonic() + LASTS_S, 0
    with Load(service, images) as load:
        while time.monotonic() < end or jumps % len(JUMPS):
            jump(JUMPS[jumps % len(JUMPS)])
            jumps += 1
            time.sleep(EVERY_S)
    assert_right_again(service, images, load.scores)
    after = assert_nothing_left(service, before)
    with capsys.disabled():
        print(f"\n{load.tally}\n{jumps} jumps\nbefore {before}\nafter  {after}")
    assert load.tally.surprises == []
    assert load.tally.statuses["200"]
    assert_quiet(service.log())
    years = {line[:10] for line in service.log().splitlines()}
    assert len(years) >= 2, "the clock of the service did not jump"
