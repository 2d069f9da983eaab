"""What each setting of ``evaluate`` costs with ViT-B-32, as a share of one centre crop.

    python -m bench.setting_costs          in the benchmark's store; prints JSON

A round measures all settings after each other, of the shipped photographs from file to vector, so
that what else the machine does falls on all; the shares are medians over rounds.
"""

import json
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from bench.settings import MODEL, OURS, ROOT
from clip_ranker import examples, processors
from clip_ranker.evaluate.cost import Costs
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.evaluate.vectors import Embedder
from clip_ranker.models import names, store

ROUNDS = 5
KEPT = [name for name, setting in SETTINGS.items() if not setting.title_weight]


def measured() -> dict[str, Any]:
    """The same, from a process of its own whose store is the benchmark's."""
    OURS.store.mkdir(parents=True, exist_ok=True)
    run = {"cwd": ROOT, "env": OURS.environment(), "check": True}
    subprocess.run([sys.executable, "import_model.py", *(names.arguments(MODEL) or [])], **run)
    module = [sys.executable, "-m", "bench.setting_costs"]
    ran = subprocess.run(module, **run, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def table(found: dict[str, Any]) -> str:
    """In Markdown."""
    lines = ["| setting | a photo | a new listing |", "| --- | --- | --- |"]
    for name, (photo, listing) in found["shares"].items():
        lines.append(f"| `{name}` | {photo:.2f} | {listing:.2f} |")
    return "\n".join(
        [*lines, "", f"1 is {found['seconds']:.2f} s, on {found['processors']} processors."]
    )


def main() -> None:
    """Measures."""
    files = sorted(map(str, Path(str(examples.__file__)).parent.glob("*.jpg")))
    views = list(dict.fromkeys(v for n in KEPT for v in (SETTINGS[n].photo, SETTINGS[n].listing)))
    rounds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Embedder(store.load(MODEL), Path(folder))) as embedder,
    ):
        for _ in range(ROUNDS):
            costs = Costs(embedder)  # a new one: it measures each only once
            rounds.append({one: costs(files, one).seconds for one in views})
    base = SETTINGS[SERVED].photo
    share = {one: median(each[one] / each[base] for each in rounds) for one in views}
    found = {
        "seconds": median(each[base] for each in rounds),
        "processors": processors.available(),
        "shares": {n: [share[SETTINGS[n].photo], share[SETTINGS[n].listing]] for n in KEPT},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
