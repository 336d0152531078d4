"""Counts of what a connection has sent and received: plain fields, updated where the message is at hand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsrs._backend.contract import Counts

if TYPE_CHECKING:
    from wsrs._pure.connection import Connection

__all__ = ["Counters", "counts"]

_PINGS = 16
"""The number of pings that are remembered until their pong comes. Of more, the oldest are forgotten."""


class Counters:
    """The counters of a connection. Bytes of messages are those that the program gives and gets; bytes of the
    wire are all of the connection's since its handshake."""

    __slots__ = (
        "_bytes_received",
        "_bytes_sent",
        "_messages_received",
        "_messages_sent",
        "_pings",
        "_round_trip",
        "_skipped",
        "refused",
        "wire_received",
    )

    def __init__(self) -> None:
        self._messages_sent = self._bytes_sent = 0
        self._messages_received = self._bytes_received = 0
        self.wire_received = 0
        """Bytes that were received on the wire. It is public because each read adds to it directly."""
        self._skipped = 0
        self.refused = 0
        """Messages that were not queued, because more than the mark was."""
        self._pings: deque[tuple[bytes, float]] | None = None
        """The pings that are under way, oldest first. Present once a ping was sent."""
        self._round_trip: float | None = None

    def send(self, size: int, last: bool) -> None:
        """A message, or a fragment of one, was queued."""
        self._messages_sent += last
        self._bytes_sent += size

    def receive(self, size: int) -> None:
        """A message was received."""
        self._messages_received += 1
        self._bytes_received += size

    def refuse(self) -> None:
        """A message was not queued, because more than the mark was."""
        self.refused += 1

    def skip(self) -> None:
        """A broadcast skipped the connection."""
        self._skipped += 1

    def send_ping(self, data: bytes) -> None:
        """A ping was queued."""
        if self._pings is None:
            self._pings = deque(maxlen=_PINGS)
        self._pings.append((data, time.perf_counter()))

    def receive_pong(self, data: bytes) -> None:
        """Count a pong. It answers the oldest ping with its data, and earlier ones stay unanswered: "an
        endpoint … MAY elect to send a Pong frame for only the most recently processed Ping frame"
        (RFC 6455 section 5.5.3).
        """
        pings = self._pings or ()
        place = next((place for place, (sent, _) in enumerate(pings) if sent == data), None)
        if self._pings is not None and place is not None:
            for _ in range(place):
                self._pings.popleft()
            self._round_trip = time.perf_counter() - self._pings.popleft()[1]

    @property
    def round_trip(self) -> float | None:
        """Seconds from the last ping that was answered to its pong."""
        return self._round_trip

    def totals(self, written: int) -> tuple[int, int, int, int, int, int, int, int]:
        """The first eight of `wsrs._backend.contract.Counts`; `written` bytes were written to the wire."""
        return (
            self._messages_sent,
            self._bytes_sent,
            written,
            self._messages_received,
            self._bytes_received,
            self.wire_received,
            self.refused,
            self._skipped,
        )


def counts(connections: Sequence[Connection]) -> Counts:
    """Return the sums of the counters of connections; see `wsrs._backend.contract.Counts`."""
    whole = [0] * 8
    seconds, answered = 0.0, 0
    for connection in connections:
        for place, count in enumerate(connection.totals()):
            whole[place] += count
        last = connection.counters.round_trip
        if last is not None:
            seconds += last
            answered += 1
    a, b, c, d, e, f, g, h = whole
    return a, b, c, d, e, f, g, h, seconds, answered
