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
        return self._inbox.take_message(self._ends)


class Sent:
    """What `send` returns: done once the queue has room, or raising the error of a failed send."""

    __slots__ = ("_error", "_outbox", "_ticket")

    def __init__(self, outbox: Outbox | None = None, error: BaseException | None = None) -> None:
        self._outbox = outbox
        self._ticket = 0 if outbox is None else outbox.take_ticket()
        self._error = error

    def __await__(self) -> Generator[Any, None, None]:
        if self._error is not None:
            raise self._error
        if self._outbox is not None:
            yield from self._outbox.wait(self._ticket)


READY = Sent()
"""Shared by all sends that leave room in the queue: there is nothing to wait for."""
