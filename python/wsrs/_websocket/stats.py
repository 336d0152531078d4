"""The counters that `WebSocket.stats` and `WebSocketServer.stats` return. ws has none."""

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
    """The traffic in one direction since the opening handshake."""

    messages: int
    """Messages that were sent (queued, broadcasts included) or received, delivered or not."""
    bytes: int
    """Bytes of messages, with text in UTF-8: before compression, and after decompression. A message that is
    being sent in fragments counts as far as it was sent."""
    wire: int
    """Bytes that were written or read: after compression, with the headers of all frames and with all control
    frames, but without TLS."""


@dataclass(frozen=True)
class WebSocketStats:
    """The counters of a WebSocket. They are zero while CONNECTING, only grow, and stay after the end."""

    sent: Traffic
    received: Traffic
    dropped: int
    """Messages that were not sent, because more than `high_water_mark` was queued (see `slow_peer`)."""
    skipped: int
    """Broadcasts that skipped it: too much was queued, or a message in fragments was being sent."""
    ping: float | None
    """Seconds from our last answered ping (by `ping` or the heartbeat) to its pong, time in queues included;
    None before the first. If several pings with the same data are under way, a pong answers the oldest."""
    code: int | None
    """The code of `'close'`; None before that."""
    error: str | None
    """The code of the fault that ended it, for example WS_ERR_INVALID_UTF8; None without one."""


@dataclass(frozen=True)
class ServerStats:
    """The counters of a server. All but `open` and `ping` only grow."""

    open: int
    """WebSockets that are not CLOSED."""
    total: int
    """WebSockets since the server was made."""
    refused: dict[str, int]
    """Upgrade requests that were refused, by reason: "request" (no acceptable handshake), "path"
    (`should_handle`), "verify_client" (it refused, raised, or did not decide in time), "max_connections",
    "closing", and "error" (one of the program's hooks or listeners raised). Requests that the HTTP server
    answers by itself are not counted: those without an upgrade, and heads that are malformed or too late."""
    tls_errors: dict[str, int]
    """Clients whose TLS handshake failed, by OpenSSL's reason, for example HTTP_REQUEST (a client without
    TLS) or PEER_DID_NOT_RETURN_A_CERTIFICATE, or else by the class of the exception. Not counted with an
    aiohttp application and with `no_server`, where the handshake is another server's."""
    sent: Traffic
    """The sum over all WebSockets, open or closed. So are the next three."""
    received: Traffic
    dropped: int
    """Messages that were not sent, because more than `high_water_mark` was queued (see `slow_peer`)."""
    skipped: int
    """Clients that a broadcast skipped: too much was queued, or a message in fragments was being sent."""
    closes: dict[int, int]
    """WebSockets that are closed, by the code of `'close'`."""
    errors: dict[str, int]
    """Those of them that a fault ended, by its code, for example WS_ERR_INVALID_UTF8."""
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
    """The counters of a server: its own, and those that closed WebSockets have left."""

    def __init__(self) -> None:
        self._total = 0
        self._refused: Counter[str] = Counter()
        self._tls_errors: Counter[str] = Counter()
        self._closes: Counter[int] = Counter()
        self._errors: Counter[str] = Counter()
        self._ended: Counts = core.counts(())
        """The sums of those that are closed."""

    def came(self) -> None:
        """Count a WebSocket that has opened."""
        self._total += 1

    def refused(self, reason: Reason) -> None:
        """Count a request that was refused."""
        self._refused[reason] += 1

    def tls_failed(self, error: Exception) -> None:
        """Count a TLS handshake that failed."""
        self._tls_errors[getattr(error, "reason", None) or type(error).__name__] += 1

    def gone(self, ws: Lifecycle) -> None:
        """Keep the counters of a WebSocket that is closed."""
        assert ws._conn is not None
        assert ws._closing is not None
        self._ended = _sum(self._ended, core.counts((ws._conn,)))
        self._closes[ws._closing.code] += 1
        fault = _fault(ws)
        if fault is not None:
            self._errors[fault] += 1

    def stats(self, members: Iterable[Lifecycle]) -> ServerStats:
        """Return all counters; `members` are the WebSockets that are open."""
        connections = [ws._conn for ws in members]
        living = core.counts([connection for connection in connections if connection is not None])
        counts = _sum(self._ended, living)
        sent, received = _traffic(counts)
        return ServerStats(
            open=len(connections),
            total=self._total,
            refused=dict(self._refused),
            tls_errors=dict(self._tls_errors),
            sent=sent,
            received=received,
            dropped=counts[6],
            skipped=counts[7],
            closes=dict(self._closes),
            errors=dict(self._errors),
            ping=living[8] / living[9] if living[9] else None,
        )


def _traffic(counts: Counts) -> tuple[Traffic, Traffic]:
    """The traffic that was sent, and that which was received."""
    return Traffic(*counts[:3]), Traffic(*counts[3:6])


def _sum(one: Counts, other: Counts) -> Counts:
    a, b, c, d, e, f, g, h, seconds, answered = (x + y for x, y in zip(one, other, strict=True))
    return int(a), int(b), int(c), int(d), int(e), int(f), int(g), int(h), seconds, int(answered)


def _fault(ws: Lifecycle) -> str | None:
    error = None if ws._closing is None else ws._closing.error
    return error.code if isinstance(error, WebSocketError) else None
