"""One message to many WebSockets: what `WebSocketServer.broadcast` does. ws has no such method."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from wsrs._active_core import core
from wsrs._websocket.access import open_connections
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from wsrs._typing.options import Sendable

__all__ = ["BroadcastResult", "Slow", "broadcast"]

Slow = Literal["skip", "send"]
"""What to do with clients that have more than their high-water mark still queued."""


class BroadcastResult(NamedTuple):
    """How many clients a broadcast was sent to, and how many it skipped, by reason."""

    sent: int
    """The message is queued for them."""
    slow: int
    """Skipped: more than their `high_water_mark` is still queued. 0 with `slow="send"`."""
    busy: int
    """Skipped: a message is being sent to them in fragments, and no other may come between these."""
    closed: int
    """Skipped: they were not, or no longer, OPEN."""


def broadcast(
    data: Sendable,
    clients: Iterable[WebSocket],
    binary: bool | None,
    compress: bool | None,
    except_: WebSocket | Iterable[WebSocket] | None,
    slow: Slow,
) -> BroadcastResult:
    """See `WebSocketServer.broadcast`."""
    if slow not in ("skip", "send"):
        raise ValueError(f"broadcast: slow must be 'skip' or 'send', not {slow!r}")
    excepted = frozenset(_web_sockets("except_", except_))
    # A copy without duplicates: writing may end a connection, whose listeners may change `clients`.
    chosen = [ws for ws in dict.fromkeys(_web_sockets("clients", clients)) if ws not in excepted]
    connections = open_connections(chosen)
    closed = len(chosen) - len(connections)
    sent, slow_ones, busy, gone = core.broadcast(connections, data, binary, compress, slow == "skip")
    return BroadcastResult(sent, slow_ones, busy, closed + gone)


def _web_sockets(name: str, value: WebSocket | Iterable[WebSocket] | None) -> list[WebSocket]:
    if value is None:
        return []
    if isinstance(value, WebSocket):
        return [value]
    if not isinstance(value, Iterable):
        raise TypeError(f"broadcast: {name} must be WebSockets, not {type(value).__name__}")
    found = list(value)
    for each in found:
        if not isinstance(each, WebSocket):
            raise TypeError(f"broadcast: each of {name} must be a WebSocket, not {type(each).__name__}")
    return found
