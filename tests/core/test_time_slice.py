"""Time slices: what a loop does at a stretch has a bound, and nothing is lost or overtaken at its end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import MakeSide
from .harness import Side, frame

pytestmark = pytest.mark.usefixtures("shortest")

AT_ONCE = 64
"""The most events of one connection in one call, if its time is always over: a multiple of those between two
looks at the clock."""


@pytest.fixture
def shortest(core: Any, no_time_slice: None) -> Iterator[None]:
    """Slices that are over as soon as anybody looks at the clock."""
    core.set_time_slice(1e-9)
    yield
    core.set_time_slice(0)


def numbers(count: int, opcode: int = 2, first: int = 0) -> bytes:
    return b"".join(frame(opcode, b"%d" % number) for number in range(first, first + count))


def heard(side: Side) -> list[int]:
    return [int(event[1]) for event in side.events]


def run_until(side: Side, count: int) -> list[int]:
    """Run the loop until that many events were heard. Returns how many came in each tick."""
    steps = []
    while len(side.events) < count:
        before = len(side.events)
        side.tick()
        steps.append(len(side.events) - before)
        assert len(steps) < 10_000, f"{len(side.events)} of {count} events came"
    return steps


@pytest.mark.parametrize("opcode", [1, 2, 9, 10], ids=["text", "binary", "ping", "pong"])
@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
def test_a_long_read_is_delivered_in_several_ticks_and_in_order(
    side: MakeSide, opcode: int, is_server: bool
) -> None:
    one = side(is_server=is_server)
    key: dict[str, Any] = {} if is_server else {"key": None}
    one.feed(b"".join(frame(opcode, b"%d" % number, **key) for number in range(2000)))
    assert len(one.events) <= AT_ONCE
    assert max(run_until(one, 2000)) <= AT_ONCE
    assert heard(one) == list(range(2000))


def test_reading_stops_while_bytes_wait_for_a_slice_and_goes_on_after_them(side: MakeSide) -> None:
    one = side()
    one.feed(numbers(1000))
    assert not one.transport.is_reading()
    one.feed(numbers(10, first=1000))
    run_until(one, 1010)
    assert one.transport.is_reading()
    assert heard(one) == list(range(1010))


def test_connections_take_turns(side: MakeSide) -> None:
    sides = [side() for _ in range(5)]
    for one in sides:
        one.feed(numbers(1000))
    while min(len(one.events) for one in sides) < 1000:
        sides[0].tick()
        counts = [len(one.events) for one in sides]
        assert max(counts) - min(counts) <= 2 * AT_ONCE
    assert all(heard(one) == list(range(1000)) for one in sides)


def test_others_are_served_while_a_crowd_has_more_to_deliver(
    side: MakeSide, loop: asyncio.AbstractEventLoop
) -> None:
    sides = [side() for _ in range(20)]
    for one in sides:
        one.feed(numbers(1000))
    before = sum(len(one.events) for one in sides)
    loop.call_later(0, loop.stop)
    loop.run_forever()
    assert sum(len(one.events) for one in sides) - before <= 20 * AT_ONCE


def test_the_end_is_told_after_what_waited_for_a_slice(side: MakeSide) -> None:
    one = side()
    one.feed(numbers(500))
    one.transport.protocol.eof_received()
    one.transport.lose(OSError("lost"))
    one.tick()
    assert ("end",) not in one.events
    run_until(one, 502)
    assert [event[0] for event in one.events[500:]] == ["end", "lost"]
    assert [int(event[1]) for event in one.events[:500]] == list(range(500))


def test_abort_drops_what_waits_for_a_slice(side: MakeSide) -> None:
    one = side()
    one.feed(numbers(500))
    count = len(one.events)
    one.connection.abort()
    one.tick(5)
    assert [event[0] for event in one.events[count:]] == ["lost"]


def test_a_pause_holds_what_waited_for_a_slice(side: MakeSide) -> None:
    one = side()
    one.feed(numbers(500))
    one.connection.pause()
    count = len(one.events)
    one.tick(5)
    assert len(one.events) == count
    one.connection.resume()
    run_until(one, 500)
    assert heard(one) == list(range(500))


def test_a_task_that_takes_many_messages_lets_others_run(
    side: MakeSide, loop: asyncio.AbstractEventLoop
) -> None:
    taken: list[int] = []

    async def take(one: Side) -> None:
        while True:
            taken.append(int(await one.connection.recv()))

    async def main() -> None:
        one = side(listen=False)
        task = loop.create_task(take(one))
        await asyncio.sleep(0)
        one.feed(numbers(1000))
        most = 0
        for _ in range(10_000):
            before = len(taken)
            await asyncio.sleep(0)
            most = max(most, len(taken) - before)
            if len(taken) == 1000:
                break
        assert most <= AT_ONCE
        assert taken == list(range(1000))
        task.cancel()

    loop.run_until_complete(main())


def test_a_task_gets_the_messages_that_wait_before_the_end(
    side: MakeSide, loop: asyncio.AbstractEventLoop
) -> None:
    async def main() -> list[int]:
        one = side(listen=False)
        one.feed(numbers(10))
        one.connection.finish(EOFError(), True)
        taken = [int(await one.connection.next()) for _ in range(10)]
        with pytest.raises(StopAsyncIteration):
            await one.connection.next()
        return taken

    assert loop.run_until_complete(main()) == list(range(10))


def test_without_a_bound_all_is_delivered_at_once(core: Any, side: MakeSide) -> None:
    core.set_time_slice(0)
    one = side()
    one.feed(numbers(2000))
    assert heard(one) == list(range(2000))


def test_a_slice_with_time_left_delivers_all_at_once(core: Any, side: MakeSide) -> None:
    core.set_time_slice(3000)
    one = side()
    one.feed(numbers(2000))
    assert heard(one) == list(range(2000))


@pytest.mark.parametrize("seconds", [-1, -1e-9, 3600, 1e300, math.inf, math.nan])
def test_lengths_that_are_refused(core: Any, seconds: float) -> None:
    with pytest.raises(ValueError, match="a time slice must be from 0 to 3600 seconds"):
        core.set_time_slice(seconds)


def test_a_length_is_a_number(core: Any) -> None:
    with pytest.raises(TypeError):
        core.set_time_slice("1")


def test_a_call_that_raises_does_not_keep_others_waiting(
    side: MakeSide, loop: asyncio.AbstractEventLoop
) -> None:
    loop.set_exception_handler(lambda _, context: None)
    bad, good = side(), side()
    bad.feed(numbers(200))
    good.feed(numbers(200))

    def fail(data: bytes, is_binary: bool) -> None:
        bad.connection.message_listener = bad.on_message
        raise KeyboardInterrupt

    bad.connection.message_listener = fail
    with pytest.raises(KeyboardInterrupt):
        bad.tick(100)
    run_until(good, 200)
    assert heard(good) == list(range(200))
