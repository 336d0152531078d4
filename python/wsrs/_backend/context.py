"""Calls in a connection's `contextvars.Context`, which may be entered already.

A context cannot be entered twice, and it may well be entered when something happens on its connection: the
task of a listener runs in it, or a listener runs the loop itself, as `nest_asyncio` allows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, TypeVar

__all__ = ["is_current", "run_in", "to_enter"]

T = TypeVar("T")

_mark: ContextVar[object] = ContextVar("wsrs_mark")


def run_in(context: Context, function: Callable[..., T], *args: Any) -> T:
    """Call `function` in `context`, or in what `to_enter` says."""
    try:
        return context.run(function, *args)
    except RuntimeError:
        if not _is_entered(context):
            raise  # by the function
    other = to_enter(context)
    return function(*args) if other is None else other.run(function, *args)


def to_enter(context: Context) -> Context | None:
    """What to enter for a call in `context`, which is entered already.

    None if it is the current one. If it was entered further up the stack, it is a copy: variables have their
    values there too, and only what the call sets is lost.
    """
    return None if is_current(context) else context.copy()


def is_current(context: Context) -> bool:
    """Whether `context` itself, and not a copy of it, is the current one."""
    mark = object()
    token = _mark.set(mark)
    try:
        return context.get(_mark) is mark
    finally:
        _mark.reset(token)


def _is_entered(context: Context) -> bool:
    try:
        context.run(_nothing)
    except RuntimeError:
        return True
    return False


def _nothing() -> None:
    pass
