"""Both spellings of every name: PEP 8's, which is implemented, and ws's, which is its alias.

A class states its aliases at its end, as plain assignments (`readyState = ready_state`), which type checkers
and `help()` understand. `link_spellings` finds these pairs and keeps them together in subclasses, so that
overriding either spelling overrides both. Options have both spellings by an `OptionTable` (`table.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["link_spellings", "snake_case"]

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
