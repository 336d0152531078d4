"""The awaitables: what `recv`, `next` and `send` return."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from wsrs._pure.inbox import Inbox
from wsrs._pure.outbox import Outbox

__all__ = ["READY", "Received", "Sent"]


class Received:
    """What `recv` and `next` return."""

    __slots__ = ("_ends", "_inbox")

    def __init__(self, inbox: Inbox, ends: bool) -> None:
        self._inbox = inbox
        self._ends = ends

    def __await__(self) -> Generator[Any, None, Any]:
        return self._inbox.take(self._ends)


class Sent:
    """What `send` returns: done where there is room, else when there is; or the error of a send in vain."""

    __slots__ = ("_error", "_outbox", "_place")

    def __init__(self, outbox: Outbox | None = None, error: BaseException | None = None) -> None:
        self._outbox = outbox
        self._place = 0 if outbox is None else outbox.take_place()
        self._error = error

    def __await__(self) -> Generator[Any, None, None]:
        if self._error is not None:
            raise self._error
        if self._outbox is not None:
            yield from self._outbox.wait(self._place)


READY = Sent()
"""What every send shares after which there is room."""
