"""A row of the table, for one name of ws."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Row", "Section"]


class Row(NamedTuple):
    """A name of ws, its spelling here, and the tests that show its behaviour."""

    ws: str
    name: str
    """The PEP 8 spelling."""
    tests: tuple[str, ...]
    """`Class::test`, or `test` for one outside a class."""
    differs: str = ""
    """The differences from ws, and their reasons. Empty if there are none."""


class Section(NamedTuple):
    """Rows of one kind."""

    title: str
    kind: str
    """How a name is looked up: a key of `LOOKUPS` in `test_table.py`."""
    rows: tuple[Row, ...]
    note: str = ""
    """A remark about all rows."""


def row(ws: str, name: str, tests: str, differs: str = "") -> Row:
    """A row. `tests` are separated by spaces."""
    return Row(ws, name, tuple(tests.split()), " ".join(differs.split()))
