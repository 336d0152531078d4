"""Both spellings of every name: PEP 8's, which is implemented, and ws's, which is its alias.

Two mechanisms, each with one visible place:

- *Members*: a class states its aliases at its end, as plain assignments (`readyState = ready_state`),
  which type checkers and `help()` understand. `link_spellings` finds these pairs and keeps them
  together in subclasses, so that overriding either spelling overrides both.
- *Options*: an `OptionTable` has a row an option, with both spellings, the check of its value and its
  default. Times given by a PEP 8 name are seconds, by a ws name milliseconds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Check", "Option", "OptionTable", "Options", "link_spellings", "snake_case"]

Check = Callable[[str, Any], Any]
"""Checks (and converts) an option's value; is given the option's name for its error message."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """The PEP 8 spelling of a ws name: `skipUTF8Validation` is `skip_utf8_validation`."""
    return _WORD_START.sub("_", name).lower()


def link_spellings(cls: type, known: Mapping[str, str]) -> dict[str, str]:
    """The pairs (ws name to PEP 8 name) of `cls`: those `known` from its bases, and its own.

    Where `cls`, or what it has inherited first (a mixin, say), overrides one name of a known pair, the other
    is made to follow it.
    """
    members = vars(cls)
    pairs = dict(known)
    for name, member in list(members.items()):
        pep8 = snake_case(name)
        if pep8 != name and members.get(pep8) is member:
            pairs[name] = pep8
    for ws_name, pep8 in known.items():
        first = next(vars(base) for base in cls.__mro__ if ws_name in vars(base) or pep8 in vars(base))
        if ws_name not in first:
            setattr(cls, ws_name, first[pep8])
        elif pep8 not in first:
            setattr(cls, pep8, first[ws_name])
    return pairs


class Option(NamedTuple):
    """A row of an `OptionTable`."""

    name: str
    ws_name: str
    check: Check
    default: Any = None
    time: bool = False
    """Whether the value is a time: seconds by `name`, milliseconds by `ws_name`, kept in seconds."""


class Options(dict[str, Any]):
    """All options of a table by their PEP 8 names; `given` are those that the caller has set."""

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
        """All options by their PEP 8 names, with defaults for those not given or given as None.

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
            return f"{self.owner}: option {spelling!r} of Node is not taken: {instead}"
        message = f"{self.owner}: unknown option {spelling!r}"
        # Compared without case and underscores: a slip in the convention is no slip in the name.
        plain = {name.replace("_", "").lower(): row.name for name, row in self._by_name.items()}
        near = difflib.get_close_matches(str(spelling).replace("_", "").lower(), plain, n=1, cutoff=0.0)
        return f"{message}; the nearest known one is {plain[near[0]]!r}" if near else message
