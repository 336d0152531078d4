"""A row of the table: one name of ws."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Row", "Section"]


class Row(NamedTuple):
    """A name of ws, how it reads here, and who shows what it does."""

    ws: str
    name: str
    """The PEP 8 spelling."""
    tests: tuple[str, ...]
    """`Class::test`, or `test` for one outside a class."""
    differs: str = ""
    """What is not as in ws, and why; nothing where all of it is."""


class Section(NamedTuple):
    """Rows of one kind."""

    title: str
    kind: str
    """How a name is looked up: a key of `LOOKUPS` in `test_table.py`."""
    rows: tuple[Row, ...]
    note: str = ""
    """What is to be said of all of them."""


def row(ws: str, name: str, tests: str, differs: str = "") -> Row:
    """A row; `tests` with spaces between."""
    return Row(ws, name, tuple(tests.split()), " ".join(differs.split()))
