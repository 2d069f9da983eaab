"""Figures as a picture."""

from pathlib import Path

import matplotlib as mpl

from bench.report import Known

mpl.use("Agg")
import matplotlib.pyplot as plt

ASIDE = 0.1
"""From one processor's dots to the next one's; from one ratio to the other it is 1."""


def plot(known: Known, path: Path) -> None:
    """Ratios of fifty candidates, and time over pictures, a colour for each processor."""
    named = {"fifty": "÷ bare session", "late": "300 ms late\n÷ straightforward"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
    left.set(title="50 candidates, each pair a dot", ylabel="ratio of times")
    left.axhline(1, color="grey", linewidth=0.5)
    right.set(title="time over pictures", xlabel="pictures, query counted", ylabel="s")
    for number, (processor, figures) in enumerate(known.items()):
        colour = f"C{number}"
        left.plot([], [], "o", color=colour, label=processor)
        aside = ASIDE * (number - (len(known) - 1) / 2)
        for at, name in enumerate(named):
            ratios = figures.get(name, {"ratios": []})["ratios"]
            left.plot([at + aside] * len(ratios), ratios, "o", alpha=0.5, color=colour)
        if growth := figures.get("growth"):
            x = [0, max(count for count, _ in growth["points"])]
            y = [(growth["fixed_ms"] + growth["per_picture_ms"] * n) / 1000 for n in x]
            right.plot(*zip(*growth["points"], strict=True), "o", alpha=0.5, color=colour)
            right.plot(x, y, color=colour)
    left.set_xticks(range(len(named)), list(named.values()))
    left.set(xlim=(-0.5, len(named) - 0.5), ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=110)
    plt.close(figure)
