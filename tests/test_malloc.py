"""Memory that is freed goes back to the system."""

import subprocess
import sys

import pytest

LOAD = """
import sys, psutil
from clip_ranker import malloc
if sys.argv[1] == "given back":
    malloc.give_back()
process, pictures, small = psutil.Process(), [], []
before = process.memory_info().rss
del (large := [bytearray(b"x") * 30_000_000])[:]  # glibc now takes 30 MB for an ordinary size
for _ in range(20):
    pictures.append(bytearray(b"x") * 10_000_000)
    small.append(bytearray(b"x") * 50_000)  # one above each picture, so that none is at the top
del pictures
print(process.memory_info().rss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_pictures_are_given_back() -> None:
    kept = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", LOAD, how], capture_output=True, check=True, text=True
            ).stdout
        )
        for how in ("given back", "as it is")
    }
    assert kept["given back"] < 10_000_000
    assert kept["as it is"] > 100_000_000  # else this shows nothing
