"""Messages that wait for `recv` and iteration, and the task that waits for them."""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from wsrs._backend.threads import check_thread
from wsrs._pure.time_slice import EVENTS, slices_of

__all__ = ["Inbox"]

_UNCLAIMED = (16, 64 * 1024)
"""The bound while no task has asked for messages: how many may wait, and how many bytes of them."""
_CLAIMED = (1024, 64 * 1024)
"""The bound while a program iterates: a larger one, so that one read is one wake-up."""


class _Wait(asyncio.Future[None]):
    """The future that a waiting task is suspended on."""

    is_over = False
    """True once the task was cancelled. Another may wait at once, before the cancelled one has run."""

    def cancel(self, msg: Any = None) -> bool:
        self.is_over = True
        return super().cancel(msg)


class Inbox:
    """A bounded queue of messages, for which one task may wait."""

    __slots__ = (
        "_error",
        "_loop",
        "_lossy",
        "_orderly",
        "_queue",
        "_size",
        "_slices",
        "_turn",
        "_waiter",
        "discards",
        "is_claimed",
        "when_empty",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, lossy: bool) -> None:
        self._loop = loop
        self._lossy = lossy
        """True if text is not validated: bytes that are not UTF-8 become U+FFFD."""
        self._queue: deque[tuple[Any, int, bool]] = deque()
        self._slices = slices_of(loop)
        self._turn = 0
        """Messages that the task may take without a look at the clock; -1: it waits for the next slice."""
        self._size = 0
        self._waiter: _Wait | None = None
        self._error: BaseException | None = None
        self._orderly = False
        self.is_claimed = False
        """True if a task iterates or has called `recv`, and no listener was set since."""
        self.discards = False
        """True if messages for which there is no room are dropped."""
        self.when_empty: Callable[[], object] | None = None
        """Called once when the last message is taken."""

    def __bool__(self) -> bool:
        return bool(self._queue)

    def owes(self, listener: object | None) -> bool:
        """True if messages that waited are still to go to `listener`, which was set since."""
        return listener is not None and bool(self._queue) and not self.is_claimed

    @property
    def is_awaited(self) -> bool:
        """Whether a task waits for a message, or was woken and has not taken it yet."""
        return self._waiter is not None and not self._waiter.is_over

    def is_full(self) -> bool:
        """Whether the bound is reached."""
        messages, size = _CLAIMED if self.is_claimed else _UNCLAIMED
        return len(self._queue) >= messages or self._size >= size

    def push(self, data: Any, size: int, binary: bool) -> None:
        """Add a message. A text is added as bytes."""
        self._queue.append((data, size, binary))
        self._size += size

    def claim(self) -> None:
        """Messages go to tasks from now on: the program iterates, or calls `recv`."""
        if _get_running_loop() is not self._loop:
            check_thread(self._loop)
        self.is_claimed = True

    def unclaim(self) -> None:
        """Messages go to the listener again: one was set after the last `recv`."""
        self.is_claimed = False

    def make_room(self) -> bool:
        """Drop the messages of the full inbox, if it `discards` messages. Returns whether it does."""
        if self.discards:
            self.drop_unwanted()
        return self.discards

    def drop_unwanted(self) -> None:
        """Drop all messages except the first, if a task waits for it, or was woken and has not taken it."""
        first = self._queue[0] if self._queue and self.is_awaited else None
        self._queue.clear()
        self._size = 0
        if first is not None:
            self.push(*first)

    def pop(self) -> tuple[Any, bool]:
        """Take the first message as a listener gets it: data (text as bytes), and whether it is binary."""
        data, size, binary = self._queue.popleft()
        self._size -= size
        if not self._queue and self.when_empty is not None:
            call, self.when_empty = self.when_empty, None
            call()
        return data, binary

    def finish(self, error: BaseException, orderly: bool) -> None:
        """No further message will come: tasks get those that are queued, then `error`."""
        self._error = error
        self._orderly = orderly
        self.wake_receiver()

    def wake_receiver(self) -> None:
        """Wake the task that waits, if there is something for it."""
        waiter = self._waiter
        if waiter is not None and (self._queue or self._error is not None) and not waiter.done():
            waiter.set_result(None)

    def _is_slice_over(self) -> bool:
        """Whether the task that takes messages has to wait for the next time slice, and is woken then."""
        if len(self._queue) < 2:
            return False
        if self._turn > 0:
            self._turn -= 1
            return False
        if not self._slices.count(self._loop):
            return False
        if self._turn == 0:
            self._turn = -1
            self._slices.wait(self._loop, self._next_slice)
        return True

    def _next_slice(self) -> bool:
        """The task runs in the next iteration, whatever time that has."""
        self._turn = EVENTS
        self.wake_receiver()
        return True

    def take_message(self, ends: bool) -> Generator[Any, None, Any]:
        """Wait for the next message, a str if it is text. A wait that is cancelled takes no message."""
        if self.is_awaited:
            raise RuntimeError("another task is already waiting for a message")
        self.claim()  # a listener may have been set since the call
        while not self._queue or self._is_slice_over():
            if not self._queue and self._error is not None:
                if ends and self._orderly:
                    raise StopAsyncIteration
                raise self._error.with_traceback(None)
            waiter = self._waiter = _Wait(loop=self._loop)
            try:
                yield from waiter
            finally:
                if self._waiter is waiter:  # pragma: no branch: cancelled, uncancelled at once (Python 3.13)
                    self._waiter = None
        data, binary = self.pop()
        return data if binary else data.decode(errors="replace" if self._lossy else "strict")
