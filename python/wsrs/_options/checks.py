"""Checks of the types and bounds of values. Each returns the value, or what the value stands for.

Sizes are bytes, times seconds (milliseconds by ws's name). 0 switches a limit off. None means: not given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wsrs._options.table import Check

__all__ = [
    "boolean",
    "duration",
    "function",
    "heartbeat",
    "instance_of",
    "integer",
    "one_of",
    "path",
    "protocol_list",
    "text",
    "wrong_type",
]

_LARGEST = 2**63 - 1
"""The largest int that the cores can count, which is the bound of an int that has no other."""
_LONGEST = sys.float_info.max
_SHORTEST_HEARTBEAT = 0.001
"""Seconds: the resolution of a loop's clock."""


def wrong_type(name: str, wanted: str, value: object) -> TypeError:
    """Return the error for a value of another type than `wanted`."""
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def instance_of(wanted: str, *types: type) -> Check:
    """A check for the type alone; `wanted` is how an error message names it."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, types):
            raise wrong_type(name, wanted, value)
        return value

    return check


boolean = instance_of("a bool", bool)


def integer(low: int, high: int | None = None) -> Check:
    """A check for an int of `low` to `high`."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(name, "an int", value)
        if not low <= value <= (_LARGEST if high is None else high):
            bounds = f"{low} to {high}"
            if high is None:
                bounds = f"at least {low}" if value < low else f"at most {_LARGEST}"
            raise ValueError(f"{name} must be {bounds}, not {value}")
        return value

    return check


def duration(name: str, value: Any) -> float:
    """A check for a time: a finite number, not negative."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise wrong_type(name, "a number", value)
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{name} must be finite and not negative, not {value}")
    return value


def heartbeat(name: str, value: Any) -> tuple[float, float] | None:
    """A check for `heartbeat`: seconds for both, or (interval, timeout); None if it is off."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or (interval, timeout), not {value!r}")
    if value == 0 and not isinstance(value, bool):
        return None
    for each in pair:
        if duration(name, each) < _SHORTEST_HEARTBEAT:
            raise ValueError(
                f"{name} must be 0 (off) or at least {_SHORTEST_HEARTBEAT} seconds, not {value!r}"
            )
    return pair[0], pair[1]


def one_of(*known: str) -> Check:
    """A check for one of the words `known`."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(name, "a str", value)
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        return value

    return check


def function(name: str, value: Any) -> Callable[..., Any]:
    """A check for something that can be called."""
    if not callable(value):
        raise wrong_type(name, "callable", value)
    return value  # type: ignore[no-any-return]


def text(name: str, value: Any) -> str:
    """A check for a str without control characters, which would cut a line of a head in two."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    for at, character in enumerate(value):
        if character < " " or character == "\x7f":
            # The rest is not shown: it may be a password.
            raise ValueError(f"{name} must not contain control characters: {character!r} at {at}")
    return value


def path(name: str, value: Any) -> str:
    """A check for a path of the file system, as a str or by `__fspath__`."""
    if not isinstance(value, str) and not hasattr(value, "__fspath__"):
        raise wrong_type(name, "a str or a path", value)
    return str(value)


def protocol_list(name: str, value: object) -> list[str]:
    """Return subprotocols as a list. They are given as a str, or as an iterable of them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (bytes, Mapping)) or not isinstance(value, Iterable):
        raise wrong_type(name, "a str or an iterable of str", value)
    names = list(value)
    for each in names:
        if not isinstance(each, str):
            raise wrong_type(f"{name}: each", "a str", each)
    return names
