"""``make bench``: prepares, measures, writes the report.

Takes about twenty minutes of a quiet machine, most of them for many clients at once. ``--only
fifty late`` measures some scenarios and keeps the others' figures, ``--only infinity`` against
infinity-emb, which it installs apart; ``--quick`` only shows that
everything works and writes nothing here. ``--against ../before`` compares this checkout with
another one instead, in a quarter of an hour.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from bench import against, pictures, processes, report
from bench.prepare import import_model, prepare
from bench.scenarios import APART, SCENARIOS
from bench.session import Bench
from bench.settings import GRAPH, OURS, WORK, Tree
from tests import stores

ROUNDS = 7


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=", ".join(SCENARIOS | APART))
    parser.add_argument("--quick", action="store_true", help="one round of few pictures")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs in each scenario")
    parser.add_argument(
        "--cpus", type=int, choices=(1, 2), help="let everything run on so many of them"
    )
    parser.add_argument("--into", type=Path, help="folder of the report (default: bench)")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="of another checkout")
    parser.add_argument("--json", type=Path, help="file for the comparison's figures")
    options = parser.parse_args()
    if options.cpus:
        run_on(options.cpus)
    usual = against.MEASURES if options.against else tuple(SCENARIOS)
    known = usual if options.against else (*SCENARIOS, *APART)
    options.only = options.only or list(usual)
    if wrong := set(options.only) - set(known):
        parser.error(f"--only knows no {', '.join(wrong)} here, but {', '.join(known)}")
    if options.against:
        return compare(options)
    prepare()
    folder = options.into or (WORK / "quick" if options.quick else report.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with processes.image_server(WORK / "pictures") as port:
        bench = session(port, options)
        try:
            for name in options.only:
                begun = time.monotonic()
                figures = (SCENARIOS | APART)[name](bench)
                print(f"{name}, in {time.monotonic() - begun:.0f} s:", figures, flush=True)
                report.save({name: figures}, folder)
        finally:
            bench.close()
    print(f"written: {folder / 'RESULTS.md'}")
    return 0


def run_on(processors: int) -> None:
    """Starts anew where there are more: what is imported counts them at once. Needs Linux."""
    here = sorted(os.sched_getaffinity(0))
    if len(here) > processors:
        os.sched_setaffinity(0, here[:processors])
        os.execv(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]])


def session(port: int, options: argparse.Namespace) -> Bench:
    """What the scenarios share, as large as the command line wishes."""
    rounds, most = (1, 20) if options.quick else (options.rounds, 200)
    return Bench(WORK / "pictures", GRAPH, port, rounds=rounds, most=most)


def compare(options: argparse.Namespace) -> int:
    """Measures this checkout against another and prints the table."""
    root = options.against.resolve()
    other = Tree(root, WORK / f"against-{stores.digest(root)}")
    pictures.write(WORK / "pictures")
    for old in set(WORK.glob("against-*")) - {other.store}:
        shutil.rmtree(old)
    for tree in (OURS, other):
        import_model(tree)
    with processes.image_server(WORK / "pictures") as port:
        figures = against.compare(session(port, options), OURS, other, options.only)
    print(against.table(figures))
    if options.json:
        against.save(figures, f"{report.processor()}, {report.runtime()}", options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
