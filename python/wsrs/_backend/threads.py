"""The thread to which an object belongs: the one that runs its event loop."""

from __future__ import annotations

import asyncio

__all__ = ["check_thread"]


def check_thread(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether `loop` runs in this thread. RuntimeError if it runs in another, or is closed.

    It also runs elsewhere for a process that was forked while it ran: that has copies of the sockets. An
    object whose loop does not run may be called in any thread, as with asyncio.
    """
    if asyncio._get_running_loop() is loop:
        return True
    if loop.is_running():
        raise RuntimeError(
            "this belongs to an event loop that runs in another thread, or in the process that forked "
            "this one; other threads may only call it by loop.call_soon_threadsafe(function, *arguments)"
        )
    if loop.is_closed():
        raise RuntimeError(
            "the event loop is closed, and nothing can be sent or closed any more: close servers and "
            "WebSockets while it runs, as `async with` does"
        )
    return False
