"""Ways to end a WebSocket that are not ws's: integrations need them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsrs._websocket.state import CLOSING, OPEN

if TYPE_CHECKING:
    from wsrs._websocket.lifecycle import Lifecycle

__all__ = ["close_timer", "hang_up", "stop_receiving"]


def close_timer(ws: Lifecycle) -> asyncio.TimerHandle | None:
    """The timer that ends a connection whose peer sends no close frame, while that frame is awaited."""
    closing = ws._closing
    return None if closing is None or closing.was_clean else closing.timer


def hang_up(ws: Lifecycle) -> None:
    """Write what is queued, then end the connection without a closing handshake.

    A peer that does not end its side within `close_timeout` is cut.
    """
    if ws._ready_state == OPEN:
        ws._on_end()
    elif ws._ready_state == CLOSING:
        assert ws._conn is not None
        ws._conn.end()


def stop_receiving(ws: Lifecycle) -> None:
    """Let those who wait for a message hear now that the connection is closing.

    Messages that nobody takes no longer stop the reading, so that the peer's close frame is read.
    """
    assert ws._conn is not None
    ws._conn.discard = True
    ws._conn.finish(ws._closed_error(), orderly=False)
