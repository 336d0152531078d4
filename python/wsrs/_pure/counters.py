"""What a connection counts, on the way of what is counted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsrs._backend.contract import Counts

if TYPE_CHECKING:
    from wsrs._pure.connection import Connection

__all__ = ["Pings", "counts"]

_PINGS = 16
"""Pings whose pong may still come; of more, the oldest are forgotten."""


class Pings:
    """The pings that are under way, oldest first, and how long the last one took. Made with the first."""

    __slots__ = ("_under_way", "last")

    def __init__(self) -> None:
        self._under_way: deque[tuple[bytes, float]] = deque(maxlen=_PINGS)
        self.last: float | None = None
        """Seconds."""

    def sent(self, data: bytes) -> None:
        """A ping was queued."""
        self._under_way.append((data, time.perf_counter()))

    def answered(self, data: bytes) -> None:
        """A pong came. It answers the oldest ping with its data, and those before that go unanswered: "an
        endpoint … MAY elect to send a Pong frame for only the most recently processed Ping frame"
        (RFC 6455 5.5.3).
        """
        under_way = self._under_way
        place = next((place for place, (sent, _) in enumerate(under_way) if sent == data), None)
        if place is not None:
            for _ in range(place):
                under_way.popleft()
            self.last = time.perf_counter() - under_way.popleft()[1]


def counts(connections: Sequence[Connection]) -> Counts:
    """The sums of what connections have counted; see `wsrs._backend.contract.Counts`."""
    whole = [0] * 8
    seconds, answered = 0.0, 0
    for connection in connections:
        for place, count in enumerate(connection.counted()):
            whole[place] += count
        last = connection.round_trip
        if last is not None:
            seconds += last
            answered += 1
    a, b, c, d, e, f, g, h = whole
    return a, b, c, d, e, f, g, h, seconds, answered
