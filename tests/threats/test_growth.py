"""Time that grows with the crowd: each is measured at two sizes, and grows no faster than they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import wsrs
from wsrs._client.response_protocol import ResponseProtocol
from wsrs.http._protocol import Deadlines

from ..peers import KEY

SMALL, LARGE = 500, 8000


def cpu(work: Callable[[], object]) -> float:
    """Seconds of this thread, the least of three runs: others may use the machine."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


def grows(work: Callable[[int], Callable[[], object]]) -> float:
    """How much more time one of the larger crowd takes: 1 if the time is linear, 16 if it is quadratic."""
    small, large = cpu(work(SMALL)), cpu(work(LARGE))
    return large / small / (LARGE / SMALL)


class Clock:
    """A loop with nothing but a clock, which goes on from timer to timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], object]) -> object:
        return self.call_at(self.now + delay, call)

    def call_at(self, when: float, call: Callable[[], object]) -> object:
        assert not self.timers, "one timer serves all"
        self.timers.append((when, call))
        return call

    def run(self) -> None:
        while self.timers:
            self.now, call = self.timers.pop()
            call()


class Silent:
    """A connection that never sends a head."""

    ended = 0

    def expired(self) -> None:
        self.ended += 1


def test_deadlines_of_silent_connections_take_linear_time() -> None:
    def of(size: int) -> Callable[[], None]:
        def run() -> None:
            clock: Any = Clock()
            deadlines = Deadlines(clock, 10)
            crowd: list[Any] = [Silent() for _ in range(size)]
            for each in crowd:
                deadlines.add(each)
                clock.now += 0.001
            clock.run()
            assert all(each.ended == 1 for each in crowd)

        return run

    assert grows(of) < 5


def test_deadlines_that_were_met_take_linear_time() -> None:
    def of(size: int) -> Callable[[], None]:
        def run() -> None:
            clock: Any = Clock()
            deadlines = Deadlines(clock, 10)
            crowd: list[Any] = [Silent() for _ in range(size)]
            for each in crowd:
                deadlines.add(each)
                clock.now += 0.001
            for each in crowd[::2]:
                deadlines.remove(each)
            clock.run()
            assert [each.ended for each in crowd] == [0, 1] * (size // 2)

        return run

    assert grows(of) < 5


def test_endless_interim_responses_take_linear_time() -> None:
    class Handshake:
        failed = False

        def fail(self, error: BaseException) -> None:
            self.failed = True

    def of(size: int) -> Callable[[], None]:
        data = b"HTTP/1.1 100 Continue\r\nX: " + b"x" * 400 + b"\r\n\r\n"

        def run() -> None:
            handshake: Any = Handshake()
            protocol = ResponseProtocol(handshake)
            protocol.data_received(data * size)
            assert not handshake.failed

        return run

    assert grows(of) < 5


class Leaving(asyncio.Transport):
    """A transport of another server, which says how often it was asked whether it is closing."""

    def __init__(self, looks: list[int]) -> None:
        super().__init__()
        self._looks = looks
        self._closing = False
        self.written = b""

    def is_closing(self) -> bool:
        self._looks.append(1)
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_reading(self) -> bool:
        return False

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...

    def set_protocol(self, protocol: Any) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self._closing = True

    abort = close


@pytest.mark.asyncio
async def test_a_refusal_above_the_limit_looks_at_few_of_those_that_wait() -> None:
    looks: list[int] = []
    server = wsrs.WebSocketServer(
        no_server=True,
        max_connections=LARGE,
        handshake_timeout=0,
        verify_client=lambda info, decided: None,
    )
    fields = [
        ("Host", "x"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]

    def come() -> Leaving:
        transport = Leaving(looks)
        request = wsrs.http.Request("GET", "/", wsrs.http.Headers(fields), "1.1", transport)
        server.handle_upgrade(request, transport, b"", lambda ws, request: None)
        return transport

    waiting = [come() for _ in range(LARGE)]
    looks.clear()
    assert b" 503 " in come().written
    assert len(looks) < 50
    # The places of those that hang up are found, by several refusals at most.
    for transport in waiting[::2]:
        transport.close()
    refusals = 0
    while come().written:
        refusals += 1
        assert refusals < LARGE
    server.close()
