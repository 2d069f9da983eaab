"""The same model in 8 bits against fp32: the session alone, and the whole service."""

import subprocess
import sys
from contextlib import closing

from bench import processes
from bench.processes import Session
from bench.session import Bench, Figures
from bench.settings import BATCH, MODEL, OURS, ROOT

INT8 = f"{MODEL}_int8"


def int8(bench: Bench) -> Figures:
    """Time and memory of the session, and time of a /rank of fifty."""
    bench.close()
    command = ("import_model.py", "--weights", "random", "--precision", "int8")
    subprocess.run(
        [sys.executable, *command, "--name", INT8], cwd=ROOT, env=OURS.environment(), check=True
    )
    with (
        closing(Session("bench.stored", INT8)) as cheap,
        closing(Session("bench.stored", MODEL)) as exact,
    ):
        figures = bench.pairs(lambda: cheap.seconds(3 * BATCH), lambda: exact.seconds(3 * BATCH))
        figures |= {"ours_mb": cheap.pss_bytes() / 1e6, "other_mb": exact.pss_bytes() / 1e6}
    with closing(processes.ours(bench.port, CLIP_MODEL=INT8)) as service:
        rank = bench.pairs(
            lambda: bench.rank(service, bench.urls(bench.fifty)),
            lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
            rounds=min(bench.rounds, 5),
        )
    return figures | {"rank": rank}
