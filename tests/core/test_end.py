"""At the end of a connection or of a task's wait, nothing is lost, and nothing is reported early or wrongly."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from wsrs.errors import ConnectionClosed

from .conftest import MakeSide
from .harness import Side, frame
from .test_delivery import begin, outcome, texts


def listening(server: Side, act: Callable[[], object]) -> None:
    """Add a listener that records each message and then calls `act`."""

    def listener(data: bytes, is_binary: bool) -> None:
        server.on_message(data, is_binary)
        act()

    server.connection.message_listener = listener


def closed(told: list[Any]) -> bool:
    """True if each callback was called with the error of the loss."""
    return [type(error) for error in told] == [ConnectionClosed] * len(told)


# Outgoing -------------------------------------------------------------------------------------


def test_frames_dropped_by_an_abort_are_not_reported_as_sent(side: MakeSide) -> None:
    server = side(high_water_mark=0)
    server.transport.hold = True
    told: list[Any] = []
    task = begin(server, server.connection.send(b"dropped", callback=told.append))
    server.connection.abort()
    server.transport.drain()  # it holds nothing any more, and calls resume_writing
    server.tick(3)
    assert isinstance(task.exception(), ConnectionClosed)
    assert closed(told)
    assert len(told) == 1


@pytest.mark.parametrize("call", ["end", "send", "start", "drain"])
def test_frames_dropped_by_a_dead_transport_are_not_reported_as_sent(side: MakeSide, call: str) -> None:
    server = side(start=False)
    told: list[Any] = []
    server.transport.hold = True
    server.connection.send(b"dropped", callback=told.append)
    server.tick()
    error = ConnectionResetError("reset")
    server.transport.lose(error)
    # Between the death of the transport and its `connection_lost`.
    if call == "send":
        server.connection.send(b"too late", callback=told.append)
    elif call == "drain":
        server.transport.drain()
    else:
        getattr(server.connection, call)(*[b""] * (call == "start"))
    server.connection.start(b"")
    server.tick(3)
    assert closed(told)
    assert len(told) == 1 + (call == "send")
    assert server.events == [("lost", error)]


def test_a_send_to_a_transport_that_died_idle_is_not_reported_as_sent(side: MakeSide) -> None:
    server = side()
    told: list[Any] = []
    server.transport.lose(ConnectionResetError("reset"))
    server.connection.send(bytes(70_000), callback=told.append)  # more than 64 KiB leave at once
    server.tick(2)
    assert closed(told)
    assert len(told) == 1


def test_a_loss_while_the_last_bytes_are_written_is_reported(side: MakeSide) -> None:
    server = side()
    server.transport.hold = True
    server.connection.send(b"first")
    told: list[Any] = []
    task = begin(server, server.connection.send(bytes(70_000), callback=told.append))
    server.transport.protocol.eof_received()
    error = ConnectionResetError("reset")
    server.transport.lose(error)
    server.tick(3)
    assert isinstance(task.exception(), ConnectionClosed)
    assert closed(told)
    assert server.events == [("end",), ("lost", error)]


def test_a_callback_that_aborts_makes_no_other_frame_count_as_sent(side: MakeSide) -> None:
    server = side()
    server.transport.hold = True
    told: list[Any] = []
    server.connection.send(b"a", callback=lambda _: server.connection.abort())
    server.tick()
    server.connection.send(b"b", callback=told.append)
    server.tick()
    server.transport.drain()  # "a" is written, and then the transport holds "b"
    server.tick(3)
    assert closed(told)
    assert len(told) == 1


def test_a_send_by_a_callback_does_not_profit_from_the_room_before_it(side: MakeSide) -> None:
    server = side(high_water_mark=10)
    server.transport.hold = True
    sent = []
    server.connection.send(b"a", callback=lambda _: sent.append(server.connection.send(bytes(2000))))
    server.tick()
    server.transport.drain()
    server.tick()
    server.connection.abort()
    with pytest.raises(ConnectionClosed):
        outcome(server, sent[0])


@pytest.mark.parametrize("size", [100, 20_000, 200_000])
def test_a_sender_that_never_yields_waits_for_the_loss_of_a_failed_transport(
    side: MakeSide, size: int
) -> None:
    server = side()
    server.transport.lose(ConnectionResetError())  # the loop has not told us yet: it does not run
    senders = (server.connection.send(bytes(size)).__await__() for _ in range(2_000_000 // size))
    for sender in senders:
        with contextlib.suppress(StopIteration):
            next(sender)
            break
    else:
        pytest.fail("all senders went on, so the loop would never run")
    server.tick(3)
    assert server.events[-1][0] == "lost"


def test_an_abort_in_the_tick_of_a_send_writes_it_and_calls_its_callback(side: MakeSide) -> None:
    server = side(allow_synchronous_events=False)
    server.connection.wants_pong = True
    server._on_pong = lambda data: server.connection.abort()  # type: ignore[method-assign]
    server.feed(frame(9) + frame(10))
    assert server.events == [("ping", b"")]
    told: list[Any] = []
    server.connection.send(b"sent", callback=told.append)
    server.tick(3)
    assert server.output == frame(10, key=None) + frame(2, b"sent", key=None)
    assert told == [None]


def test_an_answer_is_written_before_the_end_is_reported(side: MakeSide) -> None:
    server = side(start=False)
    told: list[Any] = []
    listening(server, lambda: server.connection.send(b"answer", callback=told.append))
    server._on_end = server.connection.abort  # type: ignore[method-assign]
    server.feed(texts("question"))
    server.transport.protocol.eof_received()
    server.connection.start(b"")
    server.tick(2)
    assert told == [None]
    assert server.output == frame(2, b"answer", key=None)


def test_messages_go_to_a_listener_set_at_the_end_before_the_loss_is_reported(side: MakeSide) -> None:
    server = side(listen=False, read_ahead=100)
    server.feed(texts("a"))
    server.connection.pause()
    server.transport.protocol.eof_received()

    def on_end() -> None:
        server.events.append(("end",))
        server.connection.message_listener = server.on_message

    server._on_end = on_end  # type: ignore[method-assign]
    server.transport.protocol.connection_lost(None)
    server.tick(2)
    assert server.events == [("end",), ("text", b"a"), ("lost", None)]


# Incoming -------------------------------------------------------------------------------------


def test_a_pause_and_a_resume_make_no_event_come_earlier(side: MakeSide) -> None:
    server = side(allow_synchronous_events=False)
    server.feed(texts("a", "b", "c"))
    server.connection.pause()
    server.connection.resume()
    for count in (1, 2, 3):
        assert server.events == [("text", letter) for letter in (b"a", b"b", b"c")[:count]]
        server.tick()


def test_waiting_messages_come_one_a_tick_without_synchronous_events(side: MakeSide) -> None:
    server = side(listen=False, allow_synchronous_events=False)
    server.feed(texts("a", "b"))
    server.tick(2)
    server.connection.message_listener = server.on_message
    for count in (0, 1, 2):
        assert server.events == [("text", letter) for letter in (b"a", b"b")[:count]]
        server.tick()


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("pauses", [True, False])
@pytest.mark.parametrize("behind", [b"", b"\xff\xff"])
def test_a_loss_is_reported_after_messages_that_waited_for_a_listener(
    side: MakeSide, synchronous: bool, pauses: bool, behind: bytes
) -> None:
    server = side(listen=False, allow_synchronous_events=synchronous)
    server.feed(texts("a", "b") + behind)
    server.tick(3)
    server.events.clear()  # the event of the fault
    error = ConnectionResetError("reset")
    server.transport.lose(error)
    listening(server, server.connection.pause if pauses else lambda: None)
    server.tick(5)
    assert server.events == [("text", b"a"), ("text", b"b"), ("lost", error)]


def test_a_full_inbox_does_not_hide_the_peers_fin(side: MakeSide) -> None:
    server = side(allow_synchronous_events=False)
    assert outcome_of_first(server) == "first"
    server.feed(frame(2, bytes(65_536)))
    server.transport.protocol.eof_received()
    server.tick(3)
    assert server.events[1:] == [("binary", bytes(65_536)), ("end",), ("lost", None)]
    assert outcome(server, server.connection.recv()) == bytes(65_536)


def outcome_of_first(server: Side) -> Any:
    """The result of the task that waited for the first message."""
    task = begin(server, server.connection.recv())
    server.feed(texts("first"))
    server.tick(2)
    return task.result()


@pytest.mark.parametrize("listen", [True, False])
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("aborted", [True, False])
def test_a_message_that_a_task_waits_for_is_not_discarded(
    side: MakeSide, listen: bool, synchronous: bool, aborted: bool
) -> None:
    """Messages that nobody takes are dropped, but this one, which alone fills the inbox, was asked for."""
    server = side(listen=False, allow_synchronous_events=synchronous)
    if listen:
        listening(server, server.connection.abort if aborted else lambda: None)
    server.connection.discard = True
    task = begin(server, server.connection.recv())
    server.feed(frame(2, bytes(70_000)))
    server.feed(frame(2, b"more"))
    server.tick(3)
    assert task.result() == bytes(70_000)


def test_a_task_that_is_cancelled_as_it_is_woken_leaves_its_message(side: MakeSide) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    server.feed(texts("kept"))
    task.cancel()
    server.tick(2)
    assert task.cancelled()
    assert outcome(server, server.connection.recv()) == "kept"


def test_a_message_that_ends_within_its_final_block_is_a_fault(core: Any, side: MakeSide) -> None:
    """The tail that the receiver appends is read as the rest of a symbol and more symbols: the block never ends."""
    deflate = core.PerMessageDeflate(is_server=True)
    deflate.accept([{}])
    server = side(deflate=deflate)
    history = bytes.fromhex("eaf8785c8383330c00")
    cut = bytes.fromhex("edc7c901c0100000b0955cd51a8762ff11ace191fc1262cae5a9efd7faf8e7")
    server.feed(frame(2, history, rsv=0x40) + frame(2, cut, rsv=0x40))
    assert [event[:3] for event in server.events[1:]] == [("fail", "Z_DATA_ERROR", 1007)]
