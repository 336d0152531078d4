"""User callbacks, and the tasks of those that are coroutine functions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from wsrs._backend.context import run_in
from wsrs.errors import ConnectionClosed

if TYPE_CHECKING:
    from wsrs._backend.contract import SendCallback

__all__ = ["begin_later", "bind_callback", "call_back", "check_callback", "keep", "run"]

_tasks: set[asyncio.Task[Any]] = set()
"""Tasks that run. The loop itself keeps only weak references to them."""


def check_callback(callback: object) -> None:
    """TypeError for what is neither callable nor None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")


def bind_callback(callback: SendCallback | None) -> SendCallback | None:
    """Return a function that calls `callback` in the current context, as asyncio does. TypeError as above."""
    if callback is None:
        return None
    check_callback(callback)
    run = copy_context().run
    return lambda error: run(call_back, callback, error)


def call_back(callback: SendCallback, error: BaseException | None) -> None:
    """Call a callback of `send`, `ping` or `pong`, which may be a coroutine function."""
    result = callback(error)
    if asyncio.iscoroutine(result):
        run(result, _callback_done)


def run(
    coroutine: Coroutine[Any, Any, Any],
    done: Callable[[asyncio.Task[Any]], object],
    context: Context | None = None,
) -> None:
    """Run the coroutine of a user callback in a task, with which `done` is called at its end.

    The task runs in `context` itself, so that others see what it sets; without one, in a copy of the current.
    """
    loop = asyncio.get_running_loop()

    def begin() -> None:
        if context is None:
            task = loop.create_task(coroutine)
        elif sys.version_info >= (3, 11) and loop.get_task_factory() is None:
            task = loop.create_task(coroutine, context=context)
        else:
            task = loop.create_task(_Within(context, coroutine))
        keep(task)
        task.add_done_callback(done)

    if context is None or loop.get_task_factory() is None:
        begin()
    else:
        # A factory may begin the task at once, and `context` may be the current one: it cannot be entered.
        loop.call_soon(begin)


class _Within(Coroutine[Any, Any, Any]):
    """A coroutine each step of which runs in `context`, for tasks that cannot be given one."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context = context
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        return run_in(self._context, self._coroutine.send, value)

    def throw(self, *exception: Any) -> Any:
        return run_in(self._context, self._coroutine.throw, *exception)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        # For tracebacks and the repr of the task, which show the program's own coroutine.
        return getattr(self._coroutine, name)


def begin_later(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine of ours in a task that begins in a later tick, whatever the loop's task factory does.

    An eager one (`asyncio.eager_task_factory`) would begin at once. Events would then be emitted within a
    constructor, before the program can have added a listener.
    """
    task = asyncio.Task(coroutine, loop=loop)
    keep(task)
    return task


def _callback_done(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, ConnectionClosed):
        message = "Exception in the task of a send callback"
        task.get_loop().call_exception_handler({"message": message, "exception": error, "task": task})


def keep(task: asyncio.Task[Any]) -> None:
    """Keep a task referenced until it is done."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
