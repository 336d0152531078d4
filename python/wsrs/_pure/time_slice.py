"""For how long a loop is kept at a stretch, and who waits for the next slice of its time.

The clock is read only after some events. What is left over when a slice has ended waits in a list. While it
is not empty, the loop calls for the next slice once per iteration, so that its other users run in between.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

__all__ = ["EVENTS", "TimeSlices", "set_time_slice", "slices_of"]

EVENTS = 16
"""Events between two looks at the clock."""

_BYTES = 128
"""Bytes that count as another event."""

_length = 0.005
"""The length of a slice in seconds; 0: it has no end."""


def set_time_slice(seconds: float, /) -> None:
    """See `wsrs._backend.contract.Backend.set_time_slice`."""
    global _length  # noqa: PLW0603
    length = math.ldexp(seconds, 0)
    if not 0 <= length < 3600:
        raise ValueError("a time slice must be from 0 to 3600 seconds")
    _length = length


class TimeSlices:
    """The time that the connections of one loop share."""

    __slots__ = ("_began", "_events", "_is_bounded", "_is_over", "_late", "_share_ends")

    def __init__(self) -> None:
        self._began = 0.0
        """When the clock was first read."""
        self._share_ends = math.inf
        self._events = EVENTS
        self._is_over = False
        self._is_bounded = False
        """It is known what ends the slice: the loop will call `_next`, or that is running."""
        self._late: deque[Callable[[], object]] = deque()

    def count(self, loop: asyncio.AbstractEventLoop, size: int = 0) -> bool:
        """Count a read of `size` bytes, or a message that a task takes: whether the slice is over.

        The clock is read after some of them, earlier if they are long enough to hold many messages.
        """
        self._events -= 1 + size // _BYTES
        if self._events > 0:
            return self._is_over
        self._events = EVENTS
        return self.is_over(loop)

    def is_over(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Look at the clock: whether the slice, or the present share of it, is over."""
        if not self._is_over and _length:
            now = time.monotonic()
            ends = self._began + _length
            if now < min(ends, self._share_ends):
                return False
            if not self._is_bounded:
                # An earlier iteration may have begun it. Another begins now, and the loop is asked to end it.
                self._began = now
                self._schedule(loop)
                return False
            self._is_over = True
        return self._is_over

    def wait(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Have `call` called in the next slice with time for it, after those that wait already.

        It returns True if it only woke a task, which needs its time in the next iteration.
        """
        self._late.append(call)
        if not self._is_bounded:
            self._schedule(loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_bounded = True
        loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call those that wait, each for a quarter of the slice, until it is over."""
        self._is_over = False
        woken = 0
        now = self._began = time.monotonic()
        late = self._late
        try:
            while late and not self._is_over and woken < EVENTS:
                call = late.popleft()
                self._events = EVENTS
                self._share_ends = now + _length / 4 if late else math.inf
                woken += call() is True
                now = time.monotonic()
                self._is_over = bool(_length) and now - self._began >= _length
        finally:
            self._share_ends = math.inf
            self._is_bounded = False
            if late:
                self._schedule(loop)
            else:
                self._is_over = False


_slices: WeakKeyDictionary[asyncio.AbstractEventLoop, TimeSlices] = WeakKeyDictionary()


def slices_of(loop: asyncio.AbstractEventLoop) -> TimeSlices:
    """The time slices of a loop."""
    slices = _slices.get(loop)
    if slices is None:
        slices = _slices[loop] = TimeSlices()
    return slices
