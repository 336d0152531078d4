"""The event loop of a script: it runs round by round, as the script says."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

__all__ = ["ScriptedLoop"]


class ScriptedLoop:
    """The part of an event loop that a connection on an in-memory transport needs, round by round."""

    def __init__(self) -> None:
        self.ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = deque()
        self.later: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.reports: list[str] = []
        self.threads = 0
        """Jobs that threads have not finished."""
        self.done: queue.Queue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.Queue()

    def add_reader(self, descriptor: int, function: Callable[..., object], *arguments: Any) -> None:
        raise NotImplementedError

    def is_running(self) -> bool:
        """False, since no thread runs it: the script calls the connection from outside."""
        return False

    def is_closed(self) -> bool:
        return False

    @property
    def call_soon_threadsafe(self) -> Callable[..., None]:
        """A core asks for this method when it gives a thread a job; the thread will call it once."""
        self.threads += 1
        return lambda function, *arguments: self.done.put((function, arguments))

    def join(self) -> None:
        """Wait for the threads and have the core told: how long a job takes is not part of the script."""
        while self.threads:
            function, arguments = self.done.get(timeout=10)
            self.threads -= 1
            function(*arguments)

    def call_soon(
        self, function: Callable[..., object], *arguments: Any, context: Context | None = None
    ) -> None:
        self.ready.append((function, arguments, context))

    def call_later(self, delay: float, function: Callable[..., object], *arguments: Any) -> None:
        self.later.append((function, arguments))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.reports.append(repr(context.get("exception")))

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def get_debug(self) -> bool:
        return False

    def round(self) -> None:
        """Make the calls that were asked for so far, but not those that these ask for."""
        asyncio._set_running_loop(self)  # type: ignore[arg-type]
        try:
            for _ in range(len(self.ready)):
                function, arguments, context = self.ready.popleft()
                if context is None:
                    function(*arguments)
                else:
                    context.run(function, *arguments)
        finally:
            asyncio._set_running_loop(None)
