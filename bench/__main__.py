"""``make bench``: prepares, measures, writes the report.

Takes about twenty minutes of a quiet machine, most of them for many clients at once. ``--only
fifty late`` measures some scenarios and keeps the others' figures; ``--quick`` only shows that
everything works and writes nothing here.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import pictures, processes, report
from bench.scenarios import SCENARIOS
from bench.session import Bench
from bench.settings import GRAPH, MODEL, ROOT, STORE, WORK

ROUNDS = 7


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="one round of few pictures")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs in each scenario")
    parser.add_argument("--into", type=Path, help="folder of the report (default: bench)")
    options = parser.parse_args()
    prepare()
    folder = options.into or (WORK / "quick" if options.quick else report.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with processes.image_server(WORK / "pictures") as port:
        bench = Bench(
            WORK / "pictures",
            GRAPH,
            port,
            rounds=1 if options.quick else options.rounds,
            most=20 if options.quick else 200,
        )
        try:
            for name in options.only:
                begun = time.monotonic()
                figures = SCENARIOS[name](bench)
                print(f"{name}, in {time.monotonic() - begun:.0f} s:", figures, flush=True)
                report.save({name: figures}, folder)
        finally:
            bench.close()
    print(f"written: {folder / 'RESULTS.md'}")
    return 0


def prepare() -> None:
    """Makes the pictures, the plain graph and the stored model where they are missing.

    Graphs of an older state of the import go: half a gigabyte each.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    pictures.write(WORK / "pictures")
    for old in [*WORK.glob("store*"), *WORK.glob("plain*")]:
        if old.is_dir() and old != STORE:
            shutil.rmtree(old)
        elif old.is_file() and not old.name.startswith(GRAPH.name):
            old.unlink()
    if not GRAPH.exists():
        subprocess.run([sys.executable, "-m", "bench.plain", GRAPH], cwd=ROOT, check=True)
    STORE.mkdir(exist_ok=True)
    subprocess.run(
        [sys.executable, "import_model.py", "--weights", "random", "--name", MODEL],
        cwd=ROOT,
        env=processes.ENVIRONMENT,
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
