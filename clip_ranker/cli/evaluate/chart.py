"""Lines in a square of 0 to 1, as SVG that a page may hold."""

from collections.abc import Sequence
from html import escape
from itertools import cycle

Points = Sequence[tuple[float, float]]

LEFT, TOP, WIDTH, HEIGHT = 46, 12, 300, 240
LINE_PX = 18
"""Of the legend."""
CHARACTER_PX = 8
MARKED = 12
"""A line of fewer points shows each."""
COLOURS = ("#2a78d0", "#d9542b", "#2a9d5c", "#9b59b6", "#c79a00", "#12a0a8", "#d0457f", "#7a7a7a")


def lines(
    named: Sequence[tuple[str, Points]], *, x: Sequence[float], labels: tuple[str, str]
) -> str:
    """A chart with a legend.

    Args:
        named: lines; y from 0 to 1.
        x: ticks of the horizontal axis, the first and the last are its ends.
        labels: of the horizontal and the vertical axis.
    """
    height = max(TOP + HEIGHT + 44, TOP + LINE_PX * (1 + len(named)))
    legend_x = LEFT + WIDTH + 16
    width = legend_x + 24 + CHARACTER_PX * max(len(name) for name, _ in named)
    box = f'viewBox="0 0 {width} {height}" style="max-width: {width}px"'
    drawn = [f'<svg {box} role="img" aria-label="{escape(labels[1])}">']

    def place(one: float, other: float) -> str:
        across = LEFT + WIDTH * (one - x[0]) / (x[-1] - x[0])
        return f"{across:.1f},{TOP + HEIGHT * (1 - other):.1f}"

    for tick in (0, 0.25, 0.5, 0.75, 1):
        left, right = place(x[0], tick), place(x[-1], tick)
        drawn.append(f'<path d="M{left}L{right}" stroke="#8884"/>')
        up = left.split(",")[1]
        drawn.append(f'<text x="{LEFT - 6}" y="{up}" dy="4" text-anchor="end">{tick:g}</text>')
    for tick in x:
        across = place(tick, 0).split(",")[0]
        below = TOP + HEIGHT + 16
        drawn.append(f'<text x="{across}" y="{below}" text-anchor="middle">{tick:g}</text>')
    middle, below = LEFT + WIDTH // 2, TOP + HEIGHT + 36
    drawn.append(f'<text x="{middle}" y="{below}" text-anchor="middle">{escape(labels[0])}</text>')
    for number, ((name, points), colour) in enumerate(zip(named, cycle(COLOURS), strict=False)):
        path = " ".join(place(*point) for point in points)
        dash = ' stroke-dasharray="5 4"' if number >= len(COLOURS) else ""
        stroke = f'stroke="{colour}" stroke-width="2" fill="none"{dash}'
        drawn.append(f'<polyline points="{path}" {stroke}/>')
        for point in points if len(points) < MARKED else ():
            across, down = place(*point).split(",")
            drawn.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
        row = TOP + LINE_PX * number + 8
        drawn.append(f'<path d="M{legend_x},{row}h18" {stroke}/>')
        drawn.append(f'<text x="{legend_x + 24}" y="{row + 4}">{escape(name)}</text>')
    return "".join([*drawn, "</svg>"])
