"""Builds data sets below ``.cache/datasets``; those that are there and up to date are kept."""

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.datasets import objects, packages, retakes, second_photos
from clip_ranker.evaluate import retake

BUILDERS: dict[str, Callable[[Path], None]] = {
    "retaken-middle": partial(retakes.build, part="test", strength="middle"),
    "retaken-hard": partial(retakes.build, part="test", strength="hard"),
    "retaken-turned": partial(retakes.build, part="test", strength="middle", turns=retakes.TURNS),
    "fitted-middle": partial(retakes.build, part="fit", strength="middle"),
    "fitted-hard": partial(retakes.build, part="fit", strength="hard"),
    "other-side": objects.build,
    "second-photo": second_photos.build,
}
MADE_BY = "made-by"


def build(name: str) -> Path:
    """The folder of a data set, made if it is not there as this code would make it."""
    folder = packages.ROOT / name
    made_by = folder / MADE_BY
    if made_by.is_file() and made_by.read_text() == _digest():
        print(f"{name}: there")
        return folder
    print(f"{name}: building …", flush=True)
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    BUILDERS[name](folder / "items")
    made_by.write_text(_digest())
    items = len(list((folder / "items").iterdir()))
    photos = len(list(folder.rglob("query*.jpg")))
    print(f"  {items} items, {photos} photos, in {time.monotonic() - start:.0f} s", flush=True)
    return folder


def _digest() -> str:
    """Of all that says how a data set is made."""
    files = [*sorted(Path(__file__).parent.iterdir()), Path(str(retake.__file__))]
    sums = [hashlib.sha256(file.read_bytes()).digest() for file in files if file.is_file()]
    return hashlib.sha256(b"".join(sums)).hexdigest()


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.datasets", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(BUILDERS)} (default: all)")
    names = parser.parse_args().name or list(BUILDERS)
    if unknown := [name for name in names if name not in BUILDERS]:
        parser.error(f"there is no data set {unknown[0]}")
    for name in names:
        build(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
