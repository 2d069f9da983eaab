"""What other models cost: arithmetic, time and memory, beside those of ViT-B-32.

    python -m bench.models                          the table in docs/models.md, half an hour
    python -m bench.models ViT-L-14 --rounds 3      some of it

Weights are random: no meaning, but the right shape and speed. Each is imported as any model is,
with its parity, into the benchmark's own store. A round embeds pictures with ViT-B-32 and with the
other, in turn, so that what else the machine does falls on both; the table has the median of the
rounds' ratios.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.processes import Session
from bench.settings import BATCH, OURS, ROOT, THREADS
from clip_ranker.importing import sources, weights
from clip_ranker.models import names

BASE = "ViT-B-32"
MODELS = (
    BASE,
    "xlm-roberta-base-ViT-B-32",
    "ViT-B-32-256",
    "MobileCLIP2-S0",
    "MobileCLIP2-S2",
    "convnext_base_w",
    "ViT-B-16-SigLIP",
    "ViT-B-16-SigLIP2",
    "ViT-L-14",
)
ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """Of a model's image tower.

    Attributes:
        gflop: for one picture, in 10⁹ operations.
        parameters: in millions.
        time: of a picture, as a share of ViT-B-32's, for each number of threads.
        memory: of the session's process that embedded batches of 16, in MB.
    """

    gflop: float
    parameters: float
    time: dict[int, float]
    memory: float


def arithmetic(source: sources.Source) -> tuple[float, float]:
    """Operations in its products and convolutions for one picture, and its parameters.

    A multiplication and its addition are two, as in OpenCLIP's own model_profile.csv.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    tower = source.tower.requires_grad_(requires_grad=False)
    shape = (1, 3, source.preprocess.height, source.preprocess.width)
    # Plain attention is made of products; operators that fuse them are not all counted.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        tower(torch.zeros(shape))
    return counter.get_total_flops(), sum(each.numel() for each in tower.parameters())


def import_random(model: str) -> str:
    """Its name in the benchmark's store, after an import if need be."""
    name = names.of(model) + names.RANDOM
    OURS.store.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "import_model.py", "--model", model, "--weights", "random"],
        cwd=ROOT,
        env=OURS.environment(),
        check=True,
    )
    return name


def cost(model: str, rounds: int) -> Cost:
    """Measures it; imports it if need be."""
    flop, parameters = arithmetic(sources.from_open_clip(model, weights.RANDOM))
    name, base = import_random(model), import_random(BASE)
    time, memory = {}, 0.0
    for threads in sorted({1, THREADS}):
        with (
            closing(Session("bench.stored", base, str(threads))) as theirs,
            closing(Session("bench.stored", name, str(threads))) as its,
        ):
            pairs = [(its.seconds(BATCH), theirs.seconds(BATCH)) for _ in range(rounds)]
            time[threads] = statistics.median(a / b for a, b in pairs)
            memory = its.pss_bytes() / 1e6
    return Cost(flop / 1e9, parameters / 1e6, time, memory)


def row(model: str, found: Cost) -> str:
    """Of the table in docs/models.md."""
    times = " | ".join(f"{share:.2f}" for _, share in sorted(found.time.items(), reverse=True))
    return (
        f"| `{model}` | {found.gflop:.1f} | {found.parameters:.0f} | {times} | {found.memory:.0f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(
        prog="bench.models", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of OpenCLIP (default: these)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    rows = []
    for model in options.models or MODELS:
        rows.append(row(model, cost(model, options.rounds)))
        print(rows[-1], flush=True)
    threads = [f"time on {n} thread{'s' * (n > 1)}" for n in sorted({1, THREADS}, reverse=True)]
    head = ["model", "GFLOP a picture", "million parameters", *threads, "memory in MB"]
    print("\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", *rows, sep="\n")


if __name__ == "__main__":
    main()
