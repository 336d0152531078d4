"""Heartbeats: a peer that has been silent for a while is pinged, and one that stays silent is given up.

Rules kept here:

- Each event loop has one timer, whatever the number of connections. Their deadlines are rounded up by a
  sixteenth of their interval or less, so that many fall together; a tick of the loop serves a bounded number.
- Any byte from the peer is a sign of life. No clock is read when it comes: the core sets a flag, which is
  looked at when the deadline has come. So a ping goes out after one to two intervals of silence.
- While the socket is not read (the program has paused, or takes no messages), silence proves nothing: the
  peer is neither pinged nor given up.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING

from wsrs._backend.context import run_in
from wsrs._websocket.state import OPEN

if TYPE_CHECKING:
    from wsrs._websocket.lifecycle import Lifecycle

__all__ = ["READ_AHEAD", "Member", "unwatch", "watch"]

READ_AHEAD = 64 * 1024
"""Bytes that are read from a paused connection with a heartbeat, so that the pings in them are answered."""

_PER_TICK = 1000
"""Connections served in one tick of the loop, about a millisecond's work."""

_SHORTEST = 0.001
"""Seconds: the resolution of a loop's clock."""


class Member:
    """A connection with a heartbeat."""

    __slots__ = ("interval", "left", "timeout", "ws")

    def __init__(self, ws: Lifecycle, interval: float, timeout: float) -> None:
        self.ws: Lifecycle | None = ws
        self.interval = interval
        self.timeout = timeout
        self.left = 0.0
        """Seconds that the peer still has, once a ping went out and nothing has come since."""

    def check(self) -> float | None:
        """Ping a silent peer, or give it up. Returns the seconds until the next check, None for none."""
        ws = self.ws
        if ws is None or ws._conn is None or ws._ready_state != OPEN:
            return None
        if ws._conn.take_activity():
            self.left = 0.0
            return self.interval
        if self.left:
            self.left -= min(self.interval, self.left)
            if self.left < _SHORTEST:
                _give_up(ws, self.timeout)
                return None
            return min(self.interval, self.left)
        try:
            run_in(ws._context, ws._conn.ping)
        except Exception as error:  # raised by the program's generate_mask
            ws._heartbeat_not_sent(error)
            return self.interval
        self.left = self.timeout
        return min(self.interval, self.left)


def _give_up(ws: Lifecycle, seconds: float) -> None:
    """The peer is silent: tell it why, in case it still reads, and end the connection at once."""
    ws._begin_end().error = TimeoutError(f"the peer did not answer a ping within {seconds:g} seconds")
    assert ws._conn is not None
    try:
        ws._conn.send_close(1011, b"keepalive ping timeout")
    except Exception as error:  # raised by the program's generate_mask
        ws._heartbeat_not_sent(error)
    ws._conn.end()  # `abort` alone would drop the frame
    ws._abort()


class Wheel:
    """The connections of one loop, by the time of their next check."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = Context()
        """That of the timer: empty, so that it keeps nothing of the connection that came first."""
        self._due: dict[float, list[Member]] = {}
        self._times: list[float] = []
        """The keys of `_due`, a heap."""
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._now: deque[Member] = deque()
        """Those that are due."""
        self.count = 0

    def add(self, member: Member, seconds: float) -> None:
        """Check `member` in `seconds`, or up to a sixteenth later."""
        granule: float = 2.0 ** (math.floor(math.log2(seconds)) - 4)
        when = math.ceil((self._loop.time() + seconds) / granule) * granule
        due = self._due.get(when)
        if due is None:
            due = self._due[when] = []
            heapq.heappush(self._times, when)
            if not self._now:
                self._set_timer()
        due.append(member)

    def _set_timer(self) -> None:
        if self._timer is not None:
            if self._times and self._timer_at <= self._times[0]:
                return
            self._timer.cancel()
            self._timer = None
        if self._times:
            self._timer_at = self._times[0]
            self._timer = self._loop.call_at(self._timer_at, self._expired, context=self._context)

    def _expired(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._times and self._times[0] <= now:
            self._now.extend(self._due.pop(heapq.heappop(self._times)))
        self._serve()

    def _serve(self) -> None:
        """Check those that are due, a bounded number of them in a tick."""
        try:
            for _ in range(min(_PER_TICK, len(self._now))):
                member = self._now.popleft()
                seconds = member.check()
                if seconds is None:
                    member.ws = None
                else:
                    self.add(member, seconds)
        finally:
            if self._now:
                self._loop.call_soon(self._serve)
            else:
                self._set_timer()

    def forget(self) -> None:
        """Count a connection that is gone; its entry stays until it is due. The last one clears all."""
        self.count -= 1
        if not self.count:
            self._due.clear()
            self._times.clear()
            self._now.clear()
            self._set_timer()
            del _wheels[self._loop]


_wheels: dict[asyncio.AbstractEventLoop, Wheel] = {}
"""The wheels of the loops that have connections with a heartbeat."""


def watch(ws: Lifecycle, interval: float, timeout: float) -> Member:
    """Begin the heartbeat of a connection that has just opened. Call `unwatch` at its end."""
    loop = ws._loop
    wheel = _wheels.get(loop)
    if wheel is None:
        for closed in [each for each in list(_wheels) if each.is_closed()]:
            _wheels.pop(closed, None)
        wheel = _wheels[loop] = Wheel(loop)
    wheel.count += 1
    member = Member(ws, interval, timeout)
    wheel.add(member, interval)
    return member


def unwatch(ws: Lifecycle, member: Member) -> None:
    """End the heartbeat of a connection that is closed."""
    member.ws = None
    wheel = _wheels.get(ws._loop)
    if wheel is not None:  # pragma: no branch: its loop was closed before it
        wheel.forget()
