"""How frames leave: gathered in a tick, held back by a slow peer, reported to callbacks when written."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

from wsrs.errors import ConnectionClosed

from .conftest import MakeSide
from .harness import frame


def test_everything_sent_in_a_tick_leaves_in_one_write(side: MakeSide) -> None:
    server = side()
    for number in range(5):
        server.connection.send(b"%d" % number)
    server.connection.ping()
    assert server.transport.written == []
    assert server.connection.buffered_amount == 5 * 3 + 2
    server.tick()
    assert len(server.transport.written) == 1
    assert server.connection.buffered_amount == 0


def test_more_than_64_kib_leave_at_once(side: MakeSide) -> None:
    server = side()
    server.connection.send(bytes(40_000))
    assert server.transport.written == []
    server.connection.send(bytes(40_000))
    assert len(server.output) > 80_000


def test_a_message_that_compresses_to_little_leaves_room_in_the_queue(core: Any, side: MakeSide) -> None:
    deflate = core.PerMessageDeflate(is_server=True)
    deflate.accept([{}])
    server = side(deflate=deflate)
    server.transport.hold = True
    server.connection.send(b"held back")
    server.tick()
    sent = server.connection.send(bytes(200_000))
    assert server.connection.buffered_amount > 200_000

    async def wait() -> None:
        await asyncio.wait_for(sent, 10)

    server.loop.run_until_complete(wait())
    assert len(server.transport.written) == 1
    assert 0 < server.connection.buffered_amount < 2_000
    server.transport.drain()
    server.tick()
    assert len(server.transport.written) == 2


def test_text_with_a_finaliser_that_waits_for_a_thread_is_dropped_with_the_connection(
    core: Any, side: MakeSide
) -> None:
    deflate = core.PerMessageDeflate(is_server=True)
    deflate.accept([{}])
    server = side(deflate=deflate)
    amounts: list[int] = []

    class Text(str):
        __slots__ = ()

        def __del__(self) -> None:
            amounts.append(server.connection.buffered_amount)

    server.connection.send(bytes(1_000_000))
    server.connection.send(Text("behind"))
    server.transport.lose(ConnectionResetError())
    server.tick(2)
    gc.collect()
    assert len(amounts) == 1


def test_many_sends_that_nobody_awaits_cost_the_same_each(side: MakeSide) -> None:
    server = side(high_water_mark=1000)
    server.transport.hold = True
    times: list[float] = []
    for _ in range(10):
        before = time.process_time()
        for _ in range(10_000):
            server.connection.send(b"x")
        times.append(time.process_time() - before)
    # If each were looked up among all that wait, the last ones would take more than ten times as long.
    assert min(times[-2:]) < 4 * times[0]


def test_order_is_kept_between_small_and_large_frames(side: MakeSide) -> None:
    server = side()
    sizes = [1, 300_000, 2, 70_000, 126, 0, 1_000_000, 3]
    for size in sizes:
        server.connection.send(bytes(size))
    assert server.take_output() == b"".join(frame(2, bytes(size), key=None) for size in sizes)


def test_a_callback_that_ends_the_loop_keeps_no_other_frame_back(side: MakeSide) -> None:
    first, second = side(), side()

    def leave(error: BaseException | None) -> None:
        raise SystemExit(3)

    first.connection.send(b"a", callback=leave)
    second.connection.send(b"b")
    raised = 0
    for _ in range(3):
        try:
            first.tick()
        except SystemExit:
            raised += 1
    assert raised == 1
    assert (first.output, second.output) == (frame(2, b"a", key=None), frame(2, b"b", key=None))


def test_the_result_of_a_callback_is_ignored_unless_it_is_a_coroutine(side: MakeSide) -> None:
    server = side()
    told: list[Any] = []

    async def later(error: BaseException | None) -> None:
        told.append(error)

    server.connection.send(b"a", callback=lambda error: 5)
    server.connection.send(b"b", callback=later)
    server.tick()
    server.tick()
    assert told == [None]


def test_callbacks_are_called_when_the_frame_is_written_out(side: MakeSide) -> None:
    server = side()
    told: list[Any] = []
    server.connection.send(b"a", callback=lambda error: told.append(("a", error)))
    assert told == []
    server.tick()
    assert told == [("a", None)]
    server.transport.hold = True
    server.connection.send(b"b", callback=lambda error: told.append(("b", error)))
    server.connection.ping(b"c", callback=lambda error: told.append(("c", error)))
    server.connection.send_close(1000, b"", callback=lambda error: told.append(("close", error)))
    server.tick()
    assert told == [("a", None)]
    server.transport.drain()
    server.tick()
    assert told[1:] == [("b", None), ("c", None), ("close", None)]


def test_send_itself_calls_no_callback(side: MakeSide) -> None:
    server = side()
    told: list[Any] = []

    def pump(error: Any) -> None:
        told.append(error)
        if len(told) < 5:
            before = len(told)
            server.connection.send(bytes(100_000), callback=pump)
            assert len(told) == before, "called back within send"

    server.connection.send(bytes(100_000), callback=pump)
    assert len(server.transport.written) > 0
    assert told == []
    server.tick()
    assert told == [None]
    server.tick(10)
    assert told == [None] * 5


def test_frames_written_before_an_abort_are_reported_as_written(side: MakeSide) -> None:
    server = side()
    told: list[Any] = []
    server.connection.send(bytes(100_000), callback=told.append)
    server.connection.abort()
    server.tick(3)
    assert told == [None]


def test_a_tls_transport_that_has_written_everything_blocks_nothing(side: MakeSide) -> None:
    server = side(tls=True)
    told: list[Any] = []
    for _ in range(2):
        server.connection.send(b"a", callback=told.append)
        server.tick()
    assert server.output == frame(2, b"a", key=None) * 2
    assert told == [None, None]


def test_callbacks_of_frames_not_written_get_the_loss_as_an_error(side: MakeSide) -> None:
    server = side()
    server.transport.hold = True
    told: list[Any] = []
    server.connection.send(bytes(10), callback=told.append)
    server.tick()
    server.connection.send(bytes(10), callback=told.append)
    server.connection.abort()
    server.tick(3)
    assert [type(error) for error in told] == [ConnectionClosed] * 2
    assert server.events == [("lost", None)]


def test_a_callback_that_raises_is_reported_and_the_others_are_called(
    side: MakeSide, loop: asyncio.AbstractEventLoop
) -> None:
    reports: list[Any] = []
    loop.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = side()
    told: list[Any] = []
    server.connection.send(b"a", callback=lambda _: 1 / 0)
    server.connection.send(b"b", callback=told.append)
    server.tick()
    assert told == [None]
    assert [type(report) for report in reports] == [ZeroDivisionError]


def test_a_callback_may_send(side: MakeSide) -> None:
    server = side()
    server.connection.send(b"a", callback=lambda _: server.connection.send(b"b") and None)
    server.tick(2)
    assert server.output == frame(2, b"a", key=None) + frame(2, b"b", key=None)


def test_send_waits_while_much_is_queued(side: MakeSide) -> None:
    server = side(high_water_mark=1000)
    server.transport.hold = True

    async def send_twice() -> str:
        await server.connection.send(bytes(500))
        await server.connection.send(bytes(2000))
        return "room"

    task = server.loop.create_task(send_twice())
    server.tick(3)
    assert not task.done()
    server.transport.drain()
    server.tick(3)
    server.transport.drain()
    server.tick(3)
    assert task.result() == "room"


@pytest.mark.parametrize("how", ["lost", "aborted", "ended and lost"])
@pytest.mark.parametrize("awaited", ["before", "after"])
def test_waiting_senders_get_the_loss_as_an_error(side: MakeSide, how: str, awaited: str) -> None:
    server = side(high_water_mark=10)
    server.transport.hold = True
    sent = server.connection.send(bytes(2000))

    async def wait() -> None:
        await sent

    task = server.loop.create_task(wait()) if awaited == "before" else None
    server.tick(2)
    assert task is None or not task.done()
    if how == "aborted":
        server.connection.abort()
    else:
        if how == "ended and lost":
            server.connection.end()
            server.tick(2)
            assert task is None or not task.done()
        server.transport.protocol.connection_lost(None)
    task = task or server.loop.create_task(wait())
    server.tick(4)
    error = task.exception()
    assert isinstance(error, ConnectionClosed)
    assert error.close_code == 1006


def test_a_send_that_was_written_succeeds_despite_a_later_loss(side: MakeSide) -> None:
    server = side(high_water_mark=10)
    server.transport.hold = True
    sent = server.connection.send(bytes(2000))

    async def wait() -> str:
        await sent
        return "written"

    server.tick(2)
    server.transport.drain()
    server.tick(2)
    server.transport.protocol.connection_lost(None)
    task = server.loop.create_task(wait())
    server.tick(2)
    assert task.result() == "written"


def test_cancelling_a_wait_drops_no_frame(side: MakeSide) -> None:
    server = side(high_water_mark=10)
    server.transport.hold = True

    async def send(data: bytes) -> None:
        await server.connection.send(data)

    tasks = [server.loop.create_task(send(letter * 100)) for letter in (b"a", b"b")]
    server.tick(2)
    tasks[0].cancel()
    server.tick(2)
    server.transport.hold = False
    server.transport.drain()
    server.tick(3)
    assert tasks[0].cancelled()
    assert tasks[1].done()
    assert server.output == frame(2, b"a" * 100, key=None) + frame(2, b"b" * 100, key=None)


def test_a_slow_peer_gets_everything_sent_before_the_fin(side: MakeSide) -> None:
    server = side()
    server.transport.hold = True
    for _ in range(3):
        server.connection.send(bytes(100_000))
    server.connection.end()
    server.transport.hold = False
    server.transport.drain()
    server.tick(3)
    assert server.output == frame(2, bytes(100_000), key=None) * 3
    assert server.transport.calls == ["write_eof"]
    assert server.connection.buffered_amount == 0


def test_end_sends_a_fin_and_reading_goes_on(side: MakeSide) -> None:
    server = side()
    server.connection.send(b"bye")
    server.connection.end()
    server.connection.end()
    server.tick()
    assert server.output == frame(2, b"bye", key=None)
    assert set(server.transport.calls) == {"write_eof"}
    server.feed(frame(1, b"still here"))
    assert server.events == [("text", b"still here")]


def test_abort_writes_what_the_transport_takes_and_drops_the_rest(side: MakeSide) -> None:
    server = side()
    server.connection.send(b"at once")
    server.connection.abort()
    assert server.connection.buffered_amount == 0
    assert server.events == []
    server.tick(2)
    assert server.output == frame(2, b"at once", key=None)
    assert server.events == [("lost", None)]
    blocked = side()
    blocked.transport.hold = True
    blocked.connection.send(b"held")
    blocked.tick()
    blocked.connection.send(b"never")
    blocked.connection.abort()
    assert blocked.connection.buffered_amount == 0
    blocked.tick(2)
    assert blocked.output == frame(2, b"held", key=None)
    assert blocked.events == [("lost", None)]


def test_an_end_that_the_system_refuses_is_an_abort(side: MakeSide) -> None:
    server = side()

    def refuse() -> None:
        raise OSError(107, "Transport endpoint is not connected")

    server.transport.write_eof = refuse  # type: ignore[method-assign]
    server.connection.end()
    server.tick()
    assert server.transport.calls == ["abort"]
