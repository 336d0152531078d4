"""Results as Markdown, for the file and for the terminal. Every number comes from the JSON."""

from __future__ import annotations

from collections.abc import Sequence

from harness.figures import number, whole
from harness.results import RowResult, ServerResult, Surroundings
from harness.rows import Row
from harness.suite import DISTURBED
from harness.verdicts import Verdict, judge

Measured = tuple[Row, RowResult, Surroundings]
"""A row and its results."""

HEAD = """\
# Results

`make bench` renders this page from the files in `results/`; do not edit it. [README.md](README.md) explains
how the figures are taken and what the columns mean.

![wsrs, the floor and the peers](chart.svg)
"""


def document(measured: Sequence[Measured], *more: str) -> str:
    """The whole page; `more` are the sections of other measurements."""
    parts = [
        HEAD,
        *_surroundings(measured),
        "## Budgets\n",
        budgets([v for m in measured for v in judge(m[0], m[1])]),
    ]
    for row, result, _ in measured:
        parts += [f"## {row.title[0].upper()}{row.title[1:]}\n", table(row, result)]
    return "\n".join([*parts, *more])


def budgets(verdicts: Sequence[Verdict]) -> str:
    """A table of verdicts."""
    rows = [[v.row.title, v.demand, v.measured, v.word] for v in verdicts]
    return markdown(["work", "budget", "measured", "verdict"], rows)


def table(row: Row, result: RowResult) -> str:
    """One row of the benches, with a line for each server."""
    rate = any("messages_per_second" in s for server in result.servers.values() for s in server.samples)
    heads = ["server"]
    for metric in row.metrics:
        heads += [f"{metric.title}, {metric.unit}", "min to max"]
    heads += ["x floor", "x wsrs"]
    if rate:
        measured, other = row.load.sides
        heads += [row.load.counted, "p50 µs", "p99 µs", f"{measured} busy", f"{other} busy"]
    lines = [_line(row, result, name, rate, len(heads)) for name in result.servers]
    return markdown([*heads, ""], lines)


def _line(row: Row, result: RowResult, name: str, rate: bool, width: int) -> list[str]:
    server = result.servers[name]
    if server.missing is not None:
        return [server.title, *[""] * (width - 1), f"not measured: {_plain(server.missing)}"]
    cells = [server.title]
    for metric in row.metrics:
        least, most = server.least(metric.key), server.most(metric.key)
        cells += [number(server.figure(metric.key)), f"{number(least)} to {number(most)}"]
    key = row.metrics[0].key
    cells += [_ratio(result, name, "floor", key), _ratio(result, name, "wsrs", key)]
    if rate:
        cells += [whole(server.figure("messages_per_second"))]
        cells += [number(server.figure(f"latency_{p}_us")) for p in ("p50", "p99")]
        cells += [_percent(server.figure("server_busy")), _percent(server.figure("generator_busy"))]
    return [*cells, ", ".join(_notes(server, row.load.sides[1]))]


def _notes(server: ServerResult, other: str) -> list[str]:
    notes = []
    if server.generator_limited:
        notes.append(f"the {'load generator' if other == 'generator' else other} was the bottleneck")
    disturbed = sum(sample.get("others_busy", 0.0) >= DISTURBED for sample in server.samples)
    if disturbed:
        notes.append(f"other processes used the machine in {disturbed} of {len(server.samples)} rounds")
    return notes


def _surroundings(measured: Sequence[Measured]) -> list[str]:
    """Each machine, build and set of versions once, with the rows that were measured on it."""
    groups: dict[str, list[str]] = {}
    for row, result, around in measured:
        pairs = {**around.machine, **around.build, **around.versions}
        text = "\n".join(f"- {key}: {value}" for key, value in pairs.items())
        text += f"\n- rounds: {result.rounds}" + (", quick run" if around.quick else "")
        groups.setdefault(text, []).append(f"{row.name} ({around.date})")
    lines = []
    for text, rows in groups.items():
        if len(groups) > 1:
            lines.append("For " + ", ".join(rows) + ":\n")
        else:
            dates = sorted({around.date for _, _, around in measured})
            lines.append(f"Measured {dates[0]}" + (f" to {dates[-1]}" if len(dates) > 1 else "") + ".\n")
        lines.append(text + "\n")
    return lines


def _ratio(result: RowResult, name: str, other: str, key: str) -> str:
    ratio = result.ratio(name, other, key)
    return "-" if ratio is None else f"{ratio.median:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it reads well as plain text too, except for notes in the last
    column."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    widths[-1] = len(heads[-1])
    lines = [_joined(heads, widths), _joined(["-" * max(3, width) for width in widths], widths)]
    lines += [_joined(row, widths) for row in rows]
    return "\n".join(lines) + "\n"


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (
        "| " + " | ".join(cell.ljust(max(3, width)) for cell, width in zip(cells, widths, strict=True)) + " |"
    )
