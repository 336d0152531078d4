"""Functions that the program gives to be told by, and the tasks of those that are coroutine functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from wsrs.errors import ConnectionClosed

__all__ = ["call_back", "check_callback", "keep", "run_returned"]

_tasks: set[asyncio.Task[Any]] = set()
"""Tasks that run: the loop itself keeps only weak references to them."""


def check_callback(callback: object) -> None:
    """TypeError for what is neither callable nor None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")


def call_back(callback: Callable[[BaseException | None], object], error: BaseException | None) -> None:
    """Tell a callback of `send`, `ping` or `pong`, which may be a coroutine function."""
    result = callback(error)
    if result is not None:
        run_returned(result)


def run_returned(result: object) -> None:
    """Run what a callback that is a coroutine function returned. Other results mean nothing."""
    if asyncio.iscoroutine(result):
        task = asyncio.get_running_loop().create_task(result)
        keep(task)
        task.add_done_callback(_callback_done)


def _callback_done(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, ConnectionClosed):
        message = "Exception in the task of a send callback"
        task.get_loop().call_exception_handler({"message": message, "exception": error, "task": task})


def keep(task: asyncio.Task[Any]) -> None:
    """Keep a task referenced until it is done."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
