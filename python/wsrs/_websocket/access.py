"""The private state of a WebSocket that other parts of the package may read. Nothing is changed here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsrs._websocket.state import OPEN

if TYPE_CHECKING:
    from wsrs._backend.contract import Connection
    from wsrs._websocket.lifecycle import Lifecycle
    from wsrs.errors import ConnectionClosed

__all__ = ["closed_error", "event_loop", "open_connections", "transport"]


def event_loop(ws: Lifecycle) -> asyncio.AbstractEventLoop:
    """The loop in which `ws` was made."""
    return ws._loop


def transport(ws: Lifecycle) -> asyncio.Transport | None:
    """The transport of `ws`; None before `ws` is OPEN and after the transport is gone."""
    return None if ws._conn is None else ws._conn.transport


def closed_error(ws: Lifecycle) -> ConnectionClosed:
    """The error that further attempts to send or receive on `ws` raise."""
    return ws._closed_error()


def open_connections(websockets: Iterable[Lifecycle]) -> list[Connection]:
    """The core's connections of those WebSockets that are OPEN."""
    return [ws._conn for ws in websockets if ws._ready_state == OPEN and ws._conn is not None]
