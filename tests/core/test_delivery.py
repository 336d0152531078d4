"""Who gets a message and when: re-entrant listeners, pauses, ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from typing import Any

import pytest

from wsrs.errors import ConnectionClosed

from .conftest import MakeSide
from .harness import Side, frame

Loop = asyncio.AbstractEventLoop


def texts(*words: str) -> bytes:
    return b"".join(frame(1, word.encode()) for word in words)


def begin(side: Side, awaitable: Awaitable[Any]) -> asyncio.Task[Any]:
    """Start a task and run it up to its first wait."""

    async def run() -> Any:
        return await awaitable

    task = side.loop.create_task(run())
    side.tick()
    return task


def outcome(side: Side, awaitable: Awaitable[Any]) -> Any:
    """The result of an awaitable that is done already."""
    task = begin(side, awaitable)
    side.tick()
    assert task.done()
    return task.result()


# The start ------------------------------------------------------------------------------------


def test_nothing_is_delivered_before_start_and_bytes_behind_the_head_come_first(side: MakeSide) -> None:
    server = side(start=False)
    server.feed(texts("second") + b"\x81")
    assert server.events == []
    server.connection.start(texts("first"))
    assert server.events == [("text", b"first"), ("text", b"second")]
    server.feed(texts("third")[1:])
    assert server.events[2:] == [("text", b"third")]


def test_an_end_before_the_start_is_reported_after_it(side: MakeSide) -> None:
    server = side(start=False)
    server.feed(texts("last"))
    server.transport.protocol.eof_received()
    server.transport.protocol.connection_lost(None)
    assert server.events == []
    server.connection.start(b"")
    server.tick()
    assert server.events == [("text", b"last"), ("end",), ("lost", None)]


# Listeners ------------------------------------------------------------------------------------


class Reentrant(Side):
    """A side whose listener calls `act` once for each message."""

    act: Any = None

    def on_message(self, data: Any, is_binary: bool) -> object:
        super().on_message(data, is_binary)
        return self.act() if self.act is not None else None


@pytest.fixture
def server(core: Any, loop: Loop) -> Reentrant:
    return Reentrant(core, loop, True)


def test_a_listener_that_raises_is_reported_and_the_next_message_comes(server: Reentrant) -> None:
    def fail() -> None:
        raise LookupError("listener")

    server.act = fail
    server.feed(texts("a", "b"))
    assert [event[0] for event in server.events] == ["text", "listener error"] * 2
    assert isinstance(server.events[1][1], LookupError)


def test_the_result_of_a_listener_is_passed_to_the_owner(server: Reentrant) -> None:
    server.act = lambda: "result"
    server.feed(texts("a"))
    assert server.events == [("text", b"a"), ("listener result", "result")]


def test_a_listener_may_pause(server: Reentrant) -> None:
    server.act = server.connection.pause
    server.feed(texts("a", "b") + frame(9, b"p"))
    assert server.events == [("text", b"a")]
    assert server.connection.is_paused
    assert not server.transport.is_reading()
    server.act = None
    server.connection.resume()
    server.tick()
    assert server.events[1:] == [("text", b"b"), ("ping", b"p")]
    assert server.transport.is_reading()


def test_reading_resumes_once_everything_held_back_is_delivered(server: Reentrant) -> None:
    server.act = server.connection.pause
    server.feed(texts("a", "b", "c"))
    for number in (1, 2):
        assert len(server.events) == number
        server.connection.resume()
        # If it read now, more would arrive than the listener takes.
        assert not server.transport.is_reading()
        server.tick()
        assert not server.transport.is_reading()
    server.connection.resume()
    server.tick()
    assert server.events == [("text", b"a"), ("text", b"b"), ("text", b"c")]
    assert server.transport.is_reading()


def test_a_listener_may_send_close_and_abort(server: Reentrant) -> None:
    def answer() -> None:
        server.connection.send("answer")
        server.connection.send_close(1000, b"")
        server.connection.abort()
        server.connection.abort()
        server.connection.end()

    server.act = answer
    server.feed(texts("a"))
    server.tick(2)
    assert server.events == [("text", b"a"), ("lost", None)]
    assert server.transport.calls == ["abort"]


def test_a_listener_may_remove_and_replace_itself(server: Reentrant) -> None:
    later: list[Any] = []

    def replace() -> None:
        server.connection.message_listener = lambda data, is_binary: later.append(data)

    server.act = replace
    server.feed(texts("a", "b"))
    assert (server.events, later) == ([("text", b"a")], [b"b"])


def test_bytes_that_arrive_during_a_listener_wait_for_their_turn(server: Reentrant) -> None:
    def more() -> None:
        server.act = None
        server.feed(texts("c"))

    server.act = more
    server.feed(texts("a", "b"))
    server.tick()
    assert [event[1] for event in server.events] == [b"a", b"b", b"c"]


def test_answers_to_one_read_leave_in_one_write(server: Reentrant) -> None:
    server.act = lambda: server.connection.send("x") and None
    server.feed(texts("a", "b", "c") + frame(9))
    server.tick()
    assert server.transport.written == [frame(1, b"x", key=None) * 3 + frame(10, key=None)]


def test_an_owner_that_raises_is_reported_to_the_loop(core: Any, loop: Loop) -> None:
    class Raising(Side):
        def _on_ping(self, data: bytes) -> None:
            raise LookupError("owner")

    reports: list[Any] = []
    loop.set_exception_handler(lambda _, context: reports.append(context["exception"]))
    server = Raising(core, loop, True)
    server.feed(frame(9) + texts("next"))
    assert server.events == [("text", b"next")]
    assert [type(report) for report in reports] == [LookupError]


def test_pings_and_pongs_are_reported_only_if_wanted(side: MakeSide) -> None:
    server = side()
    server.connection.wants_ping = server.connection.wants_pong = False
    server.feed(frame(9) + frame(10))
    assert server.events == []


def test_one_event_a_tick_without_synchronous_events(side: MakeSide) -> None:
    server = side(allow_synchronous_events=False)
    server.feed(texts("a", "b") + frame(9) + frame(10) + texts("c"))
    counts = []
    for _ in range(12):
        counts.append(len(server.events))
        server.tick()
    assert [event[0] for event in server.events] == ["text", "text", "ping", "pong", "text"]
    assert counts[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(counts))


# The ends -------------------------------------------------------------------------------------


def test_the_peers_fin_is_reported_after_the_messages_before_it(side: MakeSide) -> None:
    server = side()
    server.feed(texts("a"))
    assert server.transport.protocol.eof_received()
    server.tick(2)
    assert server.events == [("text", b"a"), ("end",), ("lost", None)]
    assert server.transport.calls == ["close"]


def test_an_end_waits_for_messages_that_a_pause_holds_back(side: MakeSide) -> None:
    server = side()
    server.connection.pause()
    server.feed(texts("a"))
    server.transport.protocol.eof_received()
    server.tick()
    assert server.events == []
    server.connection.resume()
    server.tick(3)
    assert server.events == [("text", b"a"), ("end",), ("lost", None)]


def test_a_loss_is_reported_once_after_everything_received_before_it(side: MakeSide) -> None:
    server = side()
    server.connection.pause()
    server.feed(texts("a", "b"))
    error = ConnectionResetError("reset")
    server.transport.protocol.connection_lost(error)
    server.tick(2)
    assert server.events == [("text", b"a"), ("text", b"b"), ("lost", error)]
    assert server.connection.transport is None


def test_every_method_may_be_called_after_the_end(side: MakeSide) -> None:
    server = side()
    connection = server.connection
    server.transport.protocol.connection_lost(None)
    told: list[BaseException | None] = []
    for call in (connection.send, connection.ping, connection.pong):
        with pytest.raises(ConnectionClosed, match="closed"):
            outcome(server, call(b"x", callback=told.append))
    connection.send_close(1000, b"", callback=told.append)
    for act in (connection.pause, connection.resume, connection.end, connection.abort):
        act()
    server.feed(texts("late"))
    server.tick(3)
    assert connection.buffered_amount == 0
    assert [type(error) for error in told] == [ConnectionClosed] * 4
    assert server.events == [("lost", None)]


def test_after_a_fault_nothing_is_read(side: MakeSide) -> None:
    server = side()
    server.feed(b"\xff\xff", texts("x") * 1000)
    assert [event[0] for event in server.events] == ["fail"]
    assert server.transport.is_reading()
    server.transport.protocol.eof_received()
    server.tick(2)
    assert [event[0] for event in server.events] == ["fail", "end", "lost"]
