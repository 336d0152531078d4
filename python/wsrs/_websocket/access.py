"""What other parts of the package ask of a WebSocket beyond its public members. Nothing is changed here."""

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
    """The transport that `ws` goes by; None before it is OPEN and after the transport is gone."""
    return None if ws._conn is None else ws._conn.transport


def closed_error(ws: Lifecycle) -> ConnectionClosed:
    """The error of those who still want to send by `ws`, or to receive."""
    return ws._closed_error()


def open_connections(websockets: Iterable[Lifecycle]) -> list[Connection]:
    """The core's connections of those that are OPEN."""
    return [ws._conn for ws in websockets if ws._ready_state == OPEN and ws._conn is not None]
