"""The tables of options: one row for each, with both spellings, the check of its value and its default.

Times given by a PEP 8 name are seconds, by a ws name milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from wsrs._options.spelling import snake_case

__all__ = ["Check", "Option", "OptionTable", "Options"]

Check = Callable[[str, Any], Any]
"""Checks (and converts) an option's value. It gets the option's name for its error message."""


class Option(NamedTuple):
    """A row of an `OptionTable`."""

    name: str
    ws_name: str
    check: Check
    default: Any = None
    time: bool = False
    """Whether the value is a time: seconds by `name`, milliseconds by `ws_name`, kept in seconds."""


class Options(dict[str, Any]):
    """All options of a table, by their PEP 8 names. `given` are those that the caller has set."""

    given: frozenset[str]


class OptionTable:
    """The options that a class takes, in both spellings."""

    def __init__(self, owner: str, rows: Iterable[Option], refused: Mapping[str, str] | None = None) -> None:
        """`refused`: options of Node that are not taken, by PEP 8 names, with what to do instead."""
        self.owner = owner
        self.rows = tuple(rows)
        self.refused = refused or {}
        self._by_name = {row.name: row for row in self.rows} | {row.ws_name: row for row in self.rows}

    @property
    def names(self) -> frozenset[str]:
        """Every accepted spelling."""
        return frozenset(self._by_name)

    def resolve(self, mapping: object = None, keywords: Mapping[str, Any] | None = None) -> Options:
        """Return all options by their PEP 8 names, with defaults for those not given or given as None.

        `mapping` is ws's way (a mapping first), `keywords` Python's; both may be there. Raises
        TypeError for an unknown name, a name given twice or a wrong type, ValueError for a wrong value.
        """
        given: dict[str, Any] = {}
        if mapping is not None:
            if not isinstance(mapping, Mapping):
                raise TypeError(f"{self.owner}: options must be a mapping, not {type(mapping).__name__}")
            self._take(mapping, given)
        if keywords:
            self._take(keywords, given)
        options = Options((row.name, given.get(row.name, row.default)) for row in self.rows)
        options.given = frozenset(given)
        return options

    def _take(self, source: Mapping[str, Any], given: dict[str, Any]) -> None:
        for spelling, value in source.items():
            row = self._by_name.get(spelling)
            if row is None:
                raise TypeError(self._unknown(spelling))
            if value is None:
                continue
            if row.name in given:
                raise TypeError(f"{self.owner}: option {row.name!r} is given twice")
            checked = row.check(f"{self.owner}: {spelling}", value)
            given[row.name] = checked / 1000 if row.time and spelling == row.ws_name else checked

    def _unknown(self, spelling: object) -> str:
        instead = self.refused.get(snake_case(str(spelling)))
        if instead is not None:
            return f"{self.owner}: option {spelling!r} of Node is not accepted: {instead}"
        import difflib  # Only a mistake needs it, and `import wsrs` stays fast.

        message = f"{self.owner}: unknown option {spelling!r}"
        # Names are compared without case and underscores: a mistake of convention is none of the name.
        plain = {name.replace("_", "").lower(): row.name for name, row in self._by_name.items()}
        near = difflib.get_close_matches(str(spelling).replace("_", "").lower(), plain, n=1, cutoff=0.0)
        return f"{message}; the nearest known one is {plain[near[0]]!r}" if near else message
