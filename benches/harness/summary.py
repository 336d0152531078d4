"""The short table in the project's README, between two markers."""

from __future__ import annotations

from collections.abc import Sequence

from harness.figures import number
from harness.report import Measured, markdown

ROWS = (
    "lockstep-100",
    "lockstep-1000",
    "pipelined",
    "large-64-kib",
    "large-1-mib",
    "deflate-2-kib",
    "idle-10000",
)
"""The rows that are shown, in this order, if they were measured, each by its first metric."""
SERVERS = {
    "wsrs": "wsrs",
    "wsrs-iter": "wsrs, `async for`",
    "picows": "picows",
    "socketify": "socketify",
    "aiohttp": "aiohttp",
    "ws": "Node ws",
    "websockets": "websockets",
}
BEGIN = "<!-- figures -->\n"
END = "<!-- end of the figures -->\n"


def summary(measured: Sequence[Measured]) -> str:
    """The chart, the table, and the remarks on it."""
    found = {row.name: (row, result, around) for row, result, around in measured}
    lines = []
    shown = [found[name] for name in ROWS if name in found]
    for row, result, _ in shown:
        metric = row.metrics[0]
        figures = [
            number(server.figure(metric.key)) if (server := result.servers.get(name)) is not None else "-"
            for name in SERVERS
        ]
        lines.append([f"{row.title}, {metric.unit}", *figures])
    dates = sorted({around.date.partition(" ")[0] for _, _, around in shown})
    machine = shown[0][2].machine if shown else {}
    said = f"Measured {' and '.join(dates)} on {machine.get('processor', 'a processor')} with "
    said += (
        f"{machine.get('cores', 'some')} cores. The figures are medians; the Python servers run on uvloop.\n"
    )
    table = markdown(["", *SERVERS.values()], lines)
    return f"![wsrs, the floor and the peers](benches/chart.svg)\n\n{table}\n{said}"


def inserted(text: str, block: str) -> str:
    """`text` with `block` between the markers.

    Raises:
        ValueError: the markers are not there, each once and in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    between, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after or END in before:
        raise ValueError(f"the text does not have {BEGIN.strip()} and {END.strip()}, each once")
    del between
    return f"{before}{begin}{block}{end}{after}"
