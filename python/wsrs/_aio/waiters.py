"""Small helpers around the running event loop."""

from __future__ import annotations

import asyncio

__all__ = ["Waiters", "running_loop"]


def running_loop(what: str) -> asyncio.AbstractEventLoop:
    """The running loop; a RuntimeError that names `what` where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = f"a {what} begins its work when it is constructed: construct it inside a running event loop"
        raise RuntimeError(message) from None


class Waiters:
    """Tasks that wait for one thing that happens once. Cancelling one does not touch the others."""

    __slots__ = ("_futures", "_loop", "heard")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []
        self.heard = False
        """Whether somebody was told of the failure."""

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
        """It happened."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)

    def fail(self, error: BaseException) -> bool:
        """It will not happen; whether anybody was told."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                self.heard = True
                future.set_exception(error)
        return self.heard
