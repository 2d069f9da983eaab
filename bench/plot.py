"""Figures as a picture."""

from pathlib import Path

import matplotlib as mpl

from bench.targets import Figures

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot(figures: Figures, path: Path) -> None:
    """Ratios of fifty candidates, and time over pictures."""
    named = {"fifty": "÷ bare session", "late": "300 ms late\n÷ straightforward"}
    ratios_of = {label: figures[name]["ratios"] for name, label in named.items() if name in figures}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.set(title="50 candidates, each pair a dot", ylabel="ratio of times")
    left.axhline(1, color="grey", linewidth=0.5)
    for at, ratios in enumerate(ratios_of.values()):
        left.plot([at] * len(ratios), ratios, "o", alpha=0.5)
    left.set_xticks(range(len(ratios_of)), list(ratios_of))
    left.set_ylim(bottom=0)
    right.set(title="time over pictures", xlabel="pictures, query counted", ylabel="s")
    if growth := figures.get("growth"):
        x = [0, max(count for count, _ in growth["points"])]
        right.plot(*zip(*growth["points"], strict=True), "o", alpha=0.5)
        right.plot(x, [(growth["fixed_ms"] + growth["per_picture_ms"] * n) / 1000 for n in x])
    figure.savefig(path, dpi=110)
    plt.close(figure)
