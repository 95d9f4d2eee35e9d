"""The pictures of a report: HTML and SVG that take their colours from the page's style.

Each has a text that says the same, for those who cannot see it. Widths are relative, so that a
picture fits a telephone as well as a sheet of paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from lakewinnow.plan.words import counted

FLOW_HEIGHT: Final = 280  # pixels
_LEAST_NODE: Final = 26  # room for a line of text
_GAP: Final = 6


@dataclass(frozen=True)
class Picture:
    """A picture, as notebooks and pages show it."""

    html: Markup

    def _repr_html_(self) -> str:
        return str(self.html)

    def __html__(self) -> str:
        return str(self.html)


@dataclass(frozen=True)
class Node:
    """Where rows went."""

    name: str
    n_rows: int
    kind: str  # a class of the style: kept, fixed, review, dropped, quarantine
    note: str = ""


def flow(n_rows: int, nodes: Sequence[Node]) -> Picture:
    """Draw a stream that parts into several, as wide as the rows in them are many.

    A stream is at least as high as a line of text, so small ones look larger than they are.
    """
    nodes = [node for node in nodes if node.n_rows]
    total = max(1, sum(node.n_rows for node in nodes))
    room = FLOW_HEIGHT - _GAP * (len(nodes) - 1)
    spare = max(0, room - _LEAST_NODE * len(nodes))
    heights = [_LEAST_NODE + spare * node.n_rows / total for node in nodes]
    ribbons, labels, top = [], [], 0.0
    left_room = sum(heights)
    left = (FLOW_HEIGHT - left_room) / 2
    for node, height in zip(nodes, heights, strict=True):
        ribbons.append(_ribbon(left, top, height, node.kind))
        share = f"{node.n_rows / max(1, n_rows):.1%}"
        note = Markup(' <span class="soft">{}</span>').format(node.note) if node.note else ""
        labels.append(
            Markup(
                '<li style="top:{:.0f}px;height:{:.0f}px"><b>{:,}</b> {} <i>{}</i>{}</li>'
            ).format(top, height, node.n_rows, node.name, share, note)
        )
        left += height
        top += height + _GAP
    said = ", ".join(f"{node.n_rows:,} {node.name}" for node in nodes)
    number, noun = counted(n_rows, "row").split()
    return Picture(
        Markup(
            '<div class="flow" style="height:{0}px"><p><b>{1}</b><br>{2} in</p>'
            '<svg viewBox="0 0 100 {0}" preserveAspectRatio="none" role="img"'
            ' aria-label="{1} {2} in: {3}">{4}</svg><ul>{5}</ul></div>'
        ).format(FLOW_HEIGHT, number, noun, said, Markup("").join(ribbons), Markup("").join(labels))
    )


def _ribbon(left: float, right: float, height: float, kind: str) -> Markup:
    path = (
        f"M0,{left:.1f} C50,{left:.1f} 50,{right:.1f} 100,{right:.1f} L100,{right + height:.1f}"
        f" C50,{right + height:.1f} 50,{left + height:.1f} 0,{left + height:.1f} Z"
    )
    return Markup('<path class="fill-{}" d="{}"/>').format(kind, path)


def heat_map(
    values: Sequence[Sequence[float]],
    classes: Sequence[str],
    *,
    across: str,
    down: str,
    form: str = ".2f",
) -> Picture:
    """Show a matrix of non-negative numbers as a table whose cells are the darker the larger.

    The darkest is the largest off the diagonal, whose are so much larger that nothing else would be
    seen.

    Parameters
    ----------
    values : row by row
    across, down : what columns and rows are
    """
    off = [v for i, row in enumerate(values) for j, v in enumerate(row) if i != j]
    most = max(off, default=0.0) or 1.0
    head = Markup("").join(
        Markup('<th scope="col"><span>{}</span></th>').format(c) for c in classes
    )
    body = []
    for i, (name, row) in enumerate(zip(classes, values, strict=True)):
        cells = []
        for j, value in enumerate(row):
            share = min(1.0, value / most)
            kind = "diagonal" if i == j else "cell dark" if share > 0.55 else "cell"
            shown = format(value, form) if value else "·"
            cells.append(
                Markup('<td class="{}" style="--share:{:.2f}">{}</td>').format(kind, share, shown)
            )
        body.append(
            Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, Markup("").join(cells))
        )
    return Picture(
        Markup(
            '<div class="wide" role="region" tabindex="0" aria-label="{0} by {1}">'
            '<table class="heat"><caption>rows: {0}; columns: {1}</caption>'
            "<thead><tr><td></td>{2}</tr></thead><tbody>{3}</tbody></table></div>"
        ).format(down, across, head, Markup("").join(body))
    )


def histogram(
    title: str, counts: Mapping[str, Sequence[int]], *, marks: Mapping[str, float] | None = None
) -> Picture:
    """Draw counts over 0 .. 1 in equal bins, stacked.

    Parameters
    ----------
    counts : by kind (a class of the style), the lowest first
    marks : upright lines, where they stand
    """
    marks = marks or {}
    n_bins = len(next(iter(counts.values())))
    highest = max(1, *(sum(column) for column in zip(*counts.values(), strict=True)))
    bars = []
    for i in range(n_bins):
        top = 100.0
        for kind, numbers in counts.items():
            height = 96 * numbers[i] / highest
            top -= height
            if numbers[i]:
                bars.append(
                    Markup(
                        '<rect class="fill-{}" x="{:.3f}" y="{:.2f}" width="{:.3f}"'
                        ' height="{:.2f}"/>'
                    ).format(kind, 100 * i / n_bins, top, 94 / n_bins, height)
                )
    mark = Markup('<line class="mark" x1="{0:.2f}" x2="{0:.2f}" y1="0" y2="100"/>')
    bars += [mark.format(100 * at) for at in marks.values()]
    totals = ", ".join(f"{sum(numbers):,} {kind}" for kind, numbers in counts.items())
    marked = "; ".join(f"{name} {at:.2f}" for name, at in marks.items())
    return Picture(
        Markup(
            '<figure class="histogram"><figcaption>{0}</figcaption><svg viewBox="0 0 100 100"'
            ' preserveAspectRatio="none" role="img" aria-label="{0}: {1}. {2}">{3}</svg>'
            '<div class="axis"><span>0</span><span>{2}</span><span>1</span></div></figure>'
        ).format(title, totals, marked, Markup("").join(bars))
    )


def curve(title: str, values: Sequence[float], other: float, *, names: tuple[str, str]) -> Picture:
    """Draw how something grows in equal steps from 0, and the straight line of something else.

    Parameters
    ----------
    values : after each step
    other : what the line ends at
    names : of the curve and of the line
    """
    highest = max(*values, other) or 1.0
    ends = [0.0, *values]
    points = " ".join(
        f"{100 * step / len(values):.2f},{100 - 96 * value / highest:.2f}"
        for step, value in enumerate(ends)
    )
    said = f"{names[0]}: {values[-1]:,.1f}; {names[1]}: {other:,.1f}"
    return Picture(
        Markup(
            '<figure class="curve"><figcaption>{0}</figcaption><svg viewBox="0 0 100 100"'
            ' preserveAspectRatio="none" role="img" aria-label="{0}: {1}">'
            '<polyline points="{2}"/>'
            '<line class="mark" x1="0" y1="100" x2="100" y2="{3:.2f}"/></svg>'
            '<p class="soft">{1}</p></figure>'
        ).format(title, said, points, 100 - 96 * other / highest)
    )


def interval(low: float, value: float, high: float, *, least: float, most: float) -> Markup:
    """Draw a number and its interval on the line from `least` to `most`."""
    reach = max(most - least, 1e-9)
    a, b, c = (100 * (x - least) / reach for x in (low, value, high))
    return Markup(
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="{:.1f}" x2="{:.1f}" y1="5" y2="5"/>'
        '<rect x="{:.1f}" y="1" width="1.6" height="8"/></svg>'
    ).format(a, c, b - 0.8)


def bar(share: float, kind: str = "kept") -> Markup:
    """Draw a share of 1."""
    return Markup(
        '<span class="bar"><span class="fill-{}" style="width:{:.1f}%"></span></span>'
    ).format(kind, 100 * min(1.0, max(0.0, share)))
