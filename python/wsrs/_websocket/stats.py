"""Counters: what `WebSocket.stats` and `WebSocketServer.stats` return. ws has no such thing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsrs._active_core import core
from wsrs._websocket.state import CLOSED
from wsrs.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsrs._backend.contract import Counts
    from wsrs._websocket.lifecycle import Lifecycle

__all__ = ["Reason", "ServerStats", "Tally", "Traffic", "WebSocketStats"]

Reason = Literal["request", "path", "verify_client", "max_connections", "closing", "error"]
"""Why a server refused a handshake; see `ServerStats.refused`."""


@dataclass(frozen=True)
class Traffic:
    """What went one way, since the opening handshake."""

    messages: int
    """Messages that were sent (queued, broadcasts included) or received, whatever became of them."""
    bytes: int
    """Bytes of messages, text in UTF-8: before compression, and after decompression. Of a message that is
    sent in fragments, those sent so far."""
    wire: int
    """Bytes that were written or read: after compression, with the frames of all messages, pings, pongs and
    closes; before TLS."""


@dataclass(frozen=True)
class WebSocketStats:
    """The counters of a WebSocket. They only grow, and stay when it is closed; all zero while CONNECTING."""

    sent: Traffic
    received: Traffic
    dropped: int
    """Messages that were not sent, because more than `high_water_mark` was queued (see `slow_peer`)."""
    skipped: int
    """Broadcasts that left it out: too much was queued, or a message in fragments was being sent."""
    ping: float | None
    """Seconds from the last ping of ours that was answered (`ping`, or the heartbeat's) to its pong, time in
    queues included; None before. Of pings with the same data that are under way at once, the oldest is
    taken to be answered first."""
    code: int | None
    """The code of `'close'`; None while it is not CLOSED."""
    error: str | None
    """The code, as WS_ERR_INVALID_UTF8, of the fault that ended it."""


@dataclass(frozen=True)
class ServerStats:
    """The counters of a server. All but `open` and `ping` only grow."""

    open: int
    """WebSockets that are not CLOSED."""
    total: int
    """WebSockets since the server was made."""
    refused: dict[str, int]
    """Upgrade requests that were refused, by reason: "request" (no acceptable handshake), "path"
    (`should_handle`), "verify_client" (its verdict, its exception, or none in time), "max_connections",
    "closing", and "error" (an exception in a hook or listener of the program's). What the HTTP server answers
    by itself (requests without an upgrade, heads that are no HTTP or do not come in time) is not counted."""
    sent: Traffic
    """Of all WebSockets, open or closed; so are the next three."""
    received: Traffic
    dropped: int
    """Messages that were not sent, because more than `high_water_mark` was queued (see `slow_peer`)."""
    skipped: int
    """Clients left out by a broadcast: too much was queued, or a message in fragments was being sent."""
    closes: dict[int, int]
    """WebSockets that are closed, by the code of `'close'`."""
    errors: dict[str, int]
    """Those of them that a fault ended, by its code, as WS_ERR_INVALID_UTF8."""
    ping: float | None
    """Seconds: the mean, over the open WebSockets that had a ping answered, of the last round trip."""


def websocket_stats(ws: Lifecycle) -> WebSocketStats:
    """See `WebSocket.stats`."""
    counts = core.counts(() if ws._conn is None else (ws._conn,))
    sent, received = _traffic(counts)
    ping = counts[8] if counts[9] else None
    closing = ws._closing
    code = closing.code if closing is not None and ws._ready_state == CLOSED else None
    return WebSocketStats(sent, received, counts[6], counts[7], ping, code, _fault(ws))


class Tally:
    """What a server counts of its WebSockets, beside what each of them counts itself."""

    def __init__(self) -> None:
        self._total = 0
        self._refused: Counter[str] = Counter()
        self._closes: Counter[int] = Counter()
        self._errors: Counter[str] = Counter()
        self._ended: Counts = core.counts(())
        """The sums of those that are closed."""

    def came(self) -> None:
        """There is one more WebSocket."""
        self._total += 1

    def refused(self, reason: Reason) -> None:
        """A request was refused."""
        self._refused[reason] += 1

    def gone(self, ws: Lifecycle) -> None:
        """A WebSocket is closed: what it has counted is kept."""
        assert ws._conn is not None
        assert ws._closing is not None
        self._ended = _sum(self._ended, core.counts((ws._conn,)))
        self._closes[ws._closing.code] += 1
        fault = _fault(ws)
        if fault is not None:
            self._errors[fault] += 1

    def stats(self, members: Iterable[Lifecycle]) -> ServerStats:
        """The counters; `members` are the WebSockets that are open."""
        connections = [ws._conn for ws in members]
        living = core.counts([connection for connection in connections if connection is not None])
        counts = _sum(self._ended, living)
        sent, received = _traffic(counts)
        return ServerStats(
            open=len(connections),
            total=self._total,
            refused=dict(self._refused),
            sent=sent,
            received=received,
            dropped=counts[6],
            skipped=counts[7],
            closes=dict(self._closes),
            errors=dict(self._errors),
            ping=living[8] / living[9] if living[9] else None,
        )


def _traffic(counts: Counts) -> tuple[Traffic, Traffic]:
    """What was sent, and what was received."""
    return Traffic(*counts[:3]), Traffic(*counts[3:6])


def _sum(one: Counts, other: Counts) -> Counts:
    a, b, c, d, e, f, g, h, seconds, answered = (x + y for x, y in zip(one, other, strict=True))
    return int(a), int(b), int(c), int(d), int(e), int(f), int(g), int(h), seconds, int(answered)


def _fault(ws: Lifecycle) -> str | None:
    error = None if ws._closing is None else ws._closing.error
    return error.code if isinstance(error, WebSocketError) else None
