"""Is what the starter gained there with other retakes, too? ``python -m bench.seeds``.

Takes the photographs of the part ``test`` again with other seeds, and judges the starter as it was
and as it is. Writes its table into ``docs/evaluation.md``; takes minutes.
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import evaluation, starters
from bench.datasets import retakes
from clip_ranker.evaluate import files, measures
from clip_ranker.evaluate.retake import Strength

FIRST_SEEDS = (0, 10_000, 20_000)
"""The first is that of the data sets."""
STRENGTHS: tuple[Strength, ...] = ("middle", "hard")


def main() -> int:
    """Judges and writes."""
    models = [starters.before(), starters.shipped()]
    lines = [["retaken", "seeds from", *(f"`{model.name}`" for model in models), "won and lost"]]
    lines.append(["---"] * len(lines[0]))
    for strength in STRENGTHS:
        for seed in FIRST_SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                root, cache = Path(folder), Path(folder) / "vectors.sqlite"
                retakes.build(root / "items", "test", strength, first_seed=seed)
                dataset = files.read(root)
                found = [measures.by_item(starters.judge(dataset, one, cache)) for one in models]
            cells = [
                evaluation.cell(asdict(measures.means(values, seed=0)[evaluation.MEASURE]))
                for values in found
            ]
            paired = measures.paired(*found)[evaluation.MEASURE]
            told = f"{paired.won} won, {paired.lost} lost, p {paired.p:.2g}"
            lines.append([strength, f"{seed:,}", *cells, told])
            print(*lines[-1], sep=", ", flush=True)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    document = evaluation.DOCUMENT
    document.write_text(evaluation.between(document.read_text(), "seeds", table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
