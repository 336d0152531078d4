"""Small helpers around the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Waiters", "once_tasks_wait", "running_loop"]

_TICKS = 3
"""Ticks within which a task that was just made begins its wait, even if the wait is in a task of its own, as
`asyncio.wait_for` makes one before Python 3.12."""


def running_loop(what: str) -> asyncio.AbstractEventLoop:
    """Return the running loop. Without one, a RuntimeError names `what`."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = f"a {what} begins its work when it is constructed: construct it inside a running event loop"
        raise RuntimeError(message) from None


def once_tasks_wait(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: object, ticks: int = _TICKS
) -> None:
    """Call `function` in some ticks, when tasks that were made just now have begun to wait.

    An error that no listener gets is reported in this way: a waiting task may still get it as an exception.
    """
    if ticks:
        loop.call_soon(lambda: once_tasks_wait(loop, function, *args, ticks=ticks - 1))
    else:
        function(*args)


class Waiters:
    """Tasks that wait for one event, which happens once. Cancelling one does not touch the others."""

    __slots__ = ("_futures", "_loop", "heard")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []
        self.heard = False
        """True once a task got the failure as an exception."""

    async def wait(self) -> None:
        """Wait until `done` or `fail`."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._futures.append(future)
        try:
            await future
        finally:
            if future in self._futures:
                self._futures.remove(future)

    def done(self) -> None:
        """The event has happened: the tasks go on."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)

    def fail(self, error: BaseException) -> bool:
        """The event will not happen: the tasks raise `error`. Returns whether any task ever got a failure."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                self.heard = True
                future.set_exception(error)
        return self.heard
