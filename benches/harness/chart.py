"""The chart: one SVG, drawn from the same results as the tables, readable on light and on dark pages.

Each row has a panel and each server a bar; the bars of a panel share a scale, which begins at 0. The bars of
wsrs are coloured, and the floor is outlined. An image cannot ask its page for colours, so it has a background
of its own and follows the reader's preference (`prefers-color-scheme`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from harness.figures import number
from harness.report import Measured
from harness.results import RowResult
from harness.rows import Row

ROWS = ("lockstep-100", "lockstep-1000", "pipelined", "large-64-kib", "deflate-2-kib", "idle-10000")
"""The rows that are drawn, in this order, if they were measured."""
TITLES = {"deflate-2-kib": "Compressed echo, 2 KiB of JSON, 100 connections"}
"""Titles for rows whose own title does not fit a panel."""
SERVERS = {
    "floor": "floor, no checks",
    "wsrs": "wsrs, callbacks",
    "wsrs-iter": "wsrs, async for",
    "picows": "picows",
    "socketify": "socketify",
    "aiohttp": "aiohttp",
    "ws": "Node ws",
    "websockets": "websockets",
}
COLUMNS = 2
PANEL = 430
MARGIN = 24
LABEL = 118
"""Room for the names of the servers."""
FIGURE = 62
"""Room for the figure behind the longest bar."""
BAR = 14
LINE = 22
HEAD = 46

STYLE = """\
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.page { fill: #ffffff } .title { font-weight: 600 } .unit { fill: #57606a; font-size: 11px }
.peer { fill: #a3aebb } .ours { fill: #1f6feb } .floor { fill: none; stroke: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .page { fill: #0d1117 } .unit { fill: #9da7b3 }
  .peer { fill: #6b7684 } .ours { fill: #58a6ff } .floor { stroke: #9da7b3 }
}
"""


@dataclass(frozen=True)
class Panel:
    """A row of the benches: its title, its unit, and (class, name, figure) of each bar."""

    title: str
    unit: str
    bars: list[tuple[str, str, float]]

    @property
    def height(self) -> int:
        """The height of the panel in the picture."""
        return HEAD + LINE * len(self.bars)


def chart(measured: Sequence[Measured]) -> str:
    """The whole picture."""
    found = {row.name: (row, result) for row, result, _ in measured}
    panels = [_panel(*found[name]) for name in ROWS if name in found]
    body: list[str] = []
    top = MARGIN
    for at in range(0, len(panels), COLUMNS):
        line = panels[at : at + COLUMNS]
        for column, panel in enumerate(line):
            body += _drawn(panel, MARGIN + column * (PANEL + MARGIN), top)
        top += max(panel.height for panel in line) + MARGIN
    width = MARGIN + min(COLUMNS, max(1, len(panels))) * (PANEL + MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" '
            f'viewBox="0 0 {width} {top}" role="img">',
            "<title>wsrs, the floor and the peers: less is better</title>",
            f"<style>\n{STYLE}</style>",
            f'<rect class="page" width="{width}" height="{top}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def _panel(row: Row, result: RowResult) -> Panel:
    metric = row.metrics[0]
    bars = []
    for name, title in SERVERS.items():
        server = result.servers.get(name)
        figure = None if server is None else server.figure(metric.key)
        if figure is not None:
            kind = "floor" if name == "floor" else "ours" if name.startswith("wsrs") else "peer"
            bars.append((kind, title, figure))
    title = TITLES.get(row.name, row.title)
    return Panel(title[0].upper() + title[1:], f"{metric.title}, {metric.unit}", bars)


def _drawn(panel: Panel, left: int, top: int) -> list[str]:
    lines = [
        f'<text class="title" x="{left}" y="{top + 12}">{escape(panel.title)}</text>',
        f'<text class="unit" x="{left}" y="{top + 30}">{escape(panel.unit)}: less is better</text>',
    ]
    longest = max((figure for _, _, figure in panel.bars), default=0.0) or 1.0
    for place, (kind, name, figure) in enumerate(panel.bars):
        y = top + HEAD + place * LINE
        x = left + LABEL
        width = max(1.0, (PANEL - LABEL - FIGURE) * max(0.0, figure) / longest)
        lines += [
            f'<text x="{left}" y="{y + 11}">{escape(name)}</text>',
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{x + width + 6:.1f}" y="{y + 11}">{number(figure)}</text>',
        ]
    return lines
