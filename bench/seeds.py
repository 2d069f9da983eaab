"""Is what the starter gained there with other retakes, too? ``python -m bench.seeds``.

Takes the photographs of the part ``test`` again with other seeds, and judges the starter as it was
and as it is. Writes its table into ``docs/evaluation.md``; takes minutes.
"""

import sys
import tempfile
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
    for strength in STRENGTHS:
        for seed in FIRST_SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                root, cache = Path(folder), Path(folder) / "vectors.sqlite"
                retakes.build(root / "items", "test", strength, first_seed=seed)
                dataset = files.read(root)
                found = [measures.by_item(starters.judge(dataset, one, cache)) for one in models]
            told = [*map(evaluation.recall, found), evaluation.won_since(*found)]
            lines.append([strength, f"{seed:,}", *told])
            print(*lines[-1], sep=", ", flush=True)
    evaluation.put("seeds", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
