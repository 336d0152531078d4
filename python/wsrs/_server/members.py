"""The WebSockets of one server: those that are open, and what all of them have counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wsrs._websocket.stats import Reason, ServerStats, Tally
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from wsrs._websocket.lifecycle import Lifecycle

__all__ = ["Clients", "Members"]


class Clients(set[WebSocket]):
    """The open WebSockets of a server: a set that may change while it is iterated, as JavaScript's may."""

    __slots__ = ()

    def __iter__(self) -> Iterator[WebSocket]:
        return iter(list(super().__iter__()))


class Members:
    """A server's side of its WebSockets (`wsrs._websocket.opening.ServerSide`)."""

    def __init__(
        self, connection_options: dict[str, Any], opened: set[WebSocket], left: Callable[[], None]
    ) -> None:
        """`opened` is the set to keep; `left` is called when a WebSocket has left it."""
        self.connection_options = connection_options
        self._open = opened
        self._left = left
        self._tally = Tally()

    def __len__(self) -> int:
        return len(self._open)

    def came(self, ws: Lifecycle) -> None:
        """`ws` is OPEN."""
        self._tally.came()
        self._open.add(ws)  # type: ignore[arg-type]

    def closing(self, ws: Lifecycle) -> None:
        """The client of `ws` is closing. It counts until it is gone."""

    def gone(self, ws: Lifecycle) -> None:
        """`ws` is CLOSED; its `'close'` event follows."""
        self._tally.gone(ws)
        self._open.discard(ws)
        self._left()

    def refused(self, reason: Reason) -> None:
        """A request was refused."""
        self._tally.refused(reason)

    def tls_failed(self, error: Exception) -> None:
        """A client did not get as far as a request."""
        self._tally.tls_failed(error)

    def stats(self) -> ServerStats:
        """See `WebSocketServer.stats`."""
        return self._tally.stats(self._open)
