"""A disk that fills up under load, with processes that die meanwhile, and is emptied again.

All that the service writes, its log included, is on a small tmpfs in a mount namespace of its own.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.load import LASTS_S, Load, assert_nothing_left, assert_right_again, running, used
from tests.image_server import ImageServer
from tests.running import Service

SMALL = (
    'mount -t tmpfs -o size=8m tmpfs "$DISK" && mkdir -p "$DISK/bentoml" &&'
    ' ln -s "$BENTOML_HOME/models" "$DISK/bentoml/models" && export BENTOML_HOME="$DISK/bentoml" &&'
    ' exec "$0" "$@" >"$DISK/log" 2>&1'
)


class SmallDisk(Service):
    """Writes to a tmpfs of 8 MB only; needs the right to mount."""

    command = ("unshare", "--mount", "sh", "-c", SMALL, *Service.command)

    def __init__(self, settings: dict[str, str]) -> None:
        self._mounted_at = tempfile.mkdtemp(prefix="disk-")
        super().__init__({"DISK": self._mounted_at, "TMPDIR": self._mounted_at} | settings)

    @property
    def disk(self) -> Path:
        """The same folder, seen from here."""
        return Path(f"/proc/{self.process.pid}/root{self._mounted_at}")

    def log(self) -> str:
        return super().log() + (self.disk / "log").read_text(errors="replace")

    def fill(self) -> None:
        """Leaves not a byte."""
        with (self.disk / "filling").open("ab", buffering=0) as filling:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        filling.write(b"x" * size)
                except OSError:
                    continue

    def empty(self) -> None:
        (self.disk / "filling").unlink()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        Path(self._mounted_at).rmdir()


def test_a_full_disk_costs_nothing_but_what_dies_of_something_else(
    start: Callable[..., SmallDisk], images: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    service = start(SmallDisk)
    api = running(service, "ClipRanker")
    before = used(service)
    service.fill()  # before the first request: much is written for the first time
    # Each decoder that is killed may take a picture with it.
    with Load(service, images, reasons=("not_an_image",)) as load:
        end = time.monotonic() + LASTS_S / 2
        while time.monotonic() < end:
            for decoder in api.children():
                decoder.kill()
            time.sleep(2)  # of load in between
    assert api.is_running()
    assert load.tally.surprises == []
    assert set(load.tally.statuses) <= {"200", "202", "429"}
    with Load(service, images, cut_off=lambda _: True) as dying:
        for name in ("ClipEmbedder", "ClipRanker"):
            running(service, name).kill()
            time.sleep(LASTS_S / 4)
        service.empty()  # clients wait for the API as long
    assert_right_again(service, images, load.scores)
    after = assert_nothing_left(service, before)
    with capsys.disabled():
        print(f"\n{load.tally}\nwith API and embedder killed:\n{dying.tally}")
        print(f"before {before}\nafter  {after}")
    assert dying.tally.surprises == []
    assert "never retrieved" not in service.log()
