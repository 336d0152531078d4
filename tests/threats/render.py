"""The table as a page."""

from __future__ import annotations

from pathlib import Path

from .table import ROWS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"

HEAD = """\
# Attacks and faults

<!-- Written by `python -m tests.threats` from tests/threats/table.py. -->

This page lists the classes of faults that WebSocket implementations have had, the promise that wsrs makes
about each, and the tests that check the promise. Tests of a connection run as server and as client, on the
Rust core and on the pure core. Tests of a socket also run on both kinds of transport (the engine's, and the
event loop's, which TLS and Windows use), on asyncio's loop and on uvloop. `fuzz:` names a target of
[fuzz/](../fuzz/README.md), and `rust:` names a test of the Rust core. The figures are bounds that the tests
check, not measurements. [SECURITY.md](../SECURITY.md) lists the limits.

| class | promise | tests |
| --- | --- | --- |
"""


def render() -> str:
    """The page as it should be."""
    rows = []
    for row in ROWS:
        tests = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in row.tests)
        rows.append(f"| {row.fault} | {row.promise} | {tests} |\n")
    return HEAD + "".join(rows)
