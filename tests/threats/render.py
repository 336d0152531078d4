"""The table as a page."""

from __future__ import annotations

from pathlib import Path

from .table import ROWS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"

HEAD = """\
# What is survived

<!-- Written by `python -m tests.threats` from tests/threats/table.py. -->

Each class of faults that WebSocket implementations have had, what wsrs promises about it, and the tests that
hold it to that. What happens on a connection is tested as server and as client, on the Rust core and on the
pure one; what happens on a socket also on both kinds of transport (the engine's, and the event loop's, which
TLS and Windows use), on asyncio's loop and on uvloop. `fuzz:` names a target of [fuzz/](../fuzz/README.md),
`rust:` a test of the core. Figures are what the tests ask for, not what was measured.
[SECURITY.md](../SECURITY.md) lists the limits.

| class | promise | tests |
| --- | --- | --- |
"""


def render() -> str:
    """The page, as it should be."""
    rows = []
    for row in ROWS:
        tests = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in row.tests)
        rows.append(f"| {row.fault} | {row.promise} | {tests} |\n")
    return HEAD + "".join(rows)
