"""Draws what was judged, beside ``docs/evaluation.md``."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.evaluation import PLOT, RELIABILITY, Rows

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def draw(found: dict[str, Any]) -> None:
    """Renews the plot of each part that was judged."""
    if "starter" in found:
        recall(found["starter"]["rows"])
    if "bands" in found:
        reliability(found["bands"])


def recall(rows: Rows) -> None:
    """Recall at k of the starter as it was, and as it is."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3 * len(names), 3), sharey=True, layout="constrained"
    )
    for name, axis in zip(names, axes, strict=True):
        for row in (row for row in rows if row["dataset"] == name):
            axis.plot(range(1, 11), row["curve"][:10], label=row["model"], linewidth=1)
        axis.set(title=Path(name).name, xlabel="k", ylim=(0, 1.02))
    axes[0].set(ylabel="recall at k")
    axes[-1].legend(fontsize=7)
    _save(figure, PLOT)


def reliability(parts: Rows) -> None:
    """Of held-out pairs, by their probability, the share that is right."""
    figure, axis = plt.subplots(figsize=(4, 4), layout="constrained")
    axis.plot([0, 1], [0, 1], color="grey", linewidth=0.5, label="perfect")
    for part in parts:
        bins = part["calibrated"]["reliability"]
        places = [(one["predicted"], one["observed"]) for one in bins]
        axis.plot(*zip(*places, strict=True), "o-", linewidth=1, label=part["name"])
    axis.set(xlabel="probability", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axis.legend(fontsize=7)
    _save(figure, RELIABILITY)


def _save(figure: Figure, path: Path) -> None:
    """The same bytes for the same figures."""
    mpl.rcParams["svg.hashsalt"] = "evaluation"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
