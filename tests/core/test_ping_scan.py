"""While a program takes no messages, pings among the bytes read ahead are answered at once."""

from __future__ import annotations

import pytest

from wsrs.errors import SlowPeer

from .conftest import MakeSide
from .harness import Side, frame

MIXED = b"".join(
    [
        frame(1, b"one", fin=False),
        frame(9, b"A"),
        frame(0, b"two"),
        frame(2, bytes(300)),
        frame(9, b""),
        frame(10, b"x"),
        frame(9, b"B" * 125),
        frame(1, b"three"),
    ]
)
PONGS = frame(10, b"A", key=None) + frame(10, b"", key=None) + frame(10, b"B" * 125, key=None)
EVENTS = [
    ("ping", b"A"),
    ("text", b"onetwo"),
    ("binary", bytes(300)),
    ("ping", b""),
    ("pong", b"x"),
    ("ping", b"B" * 125),
    ("text", b"three"),
]


def resumed(server: Side) -> None:
    server.connection.resume()
    server.tick(2)


def test_pings_behind_messages_are_answered_once_and_reported_in_their_turn(side: MakeSide) -> None:
    server = side(read_ahead=1000)
    server.connection.pause()
    server.feed(MIXED)
    assert server.take_output() == PONGS
    assert server.events == []
    assert server.transport.is_reading()
    resumed(server)
    assert server.events == EVENTS
    assert server.take_output() == b""
    server.feed(frame(9, b"C"))
    assert server.take_output() == frame(10, b"C", key=None)


@pytest.mark.parametrize("first", range(0, len(MIXED), 3))
def test_pings_are_answered_wherever_a_pause_begins_and_reads_are_cut(side: MakeSide, first: int) -> None:
    server = side(read_ahead=1000)
    server.feed(MIXED[:first])
    server.connection.pause()
    rest = MIXED[first:]
    for start in range(0, len(rest), 7):
        server.feed(rest[start : start + 7])
    resumed(server)
    output = server.take_output()
    # A ping whose start was read before the pause is answered after it.
    assert len(output) == len(PONGS)
    assert all(frame(10, data, key=None) in output for data in (b"A", b"", b"B" * 125))
    assert server.events == EVENTS


def test_a_listener_that_pauses_at_each_message_causes_no_second_answer(side: MakeSide) -> None:
    server = side(read_ahead=1000)

    def listen(data: bytes, is_binary: bool) -> None:
        server.on_message(data, is_binary)
        server.connection.pause()

    server.connection.message_listener = listen
    server.feed(MIXED)
    assert server.take_output() == PONGS
    for _ in range(4):
        server.feed(frame(9, b"D"))
        resumed(server)
    answers = server.take_output()
    assert answers == frame(10, b"D", key=None) * 4
    assert server.events == EVENTS + [("ping", b"D")] * 4


def test_pings_behind_messages_that_nobody_takes_are_answered(side: MakeSide) -> None:
    server = side(listen=False, read_ahead=1000)
    server.feed(frame(1, b"x") * 20 + frame(9, b"A"))
    assert server.take_output() == frame(10, b"A", key=None)
    assert server.events == []


def test_reading_ahead_stops_at_its_bound(side: MakeSide) -> None:
    server = side(read_ahead=100)
    server.connection.pause()
    for size in range(0, 90, 10):
        server.feed(frame(1, bytes(4)))
        assert server.transport.is_reading(), size
    server.feed(frame(1, bytes(4)))
    assert not server.transport.is_reading()
    resumed(server)
    assert server.transport.is_reading()
    assert len(server.events) == 10


def test_without_read_ahead_a_pause_stops_the_reading(side: MakeSide) -> None:
    server = side()
    server.connection.pause()
    assert not server.transport.is_reading()


def test_a_pause_respects_the_options_of_automatic_pongs(side: MakeSide) -> None:
    server = side(read_ahead=1000, max_pending_auto_pongs=2)
    server.transport.hold = True
    server.connection.pause()
    server.feed(frame(9, b"A") * 5)
    assert server.take_output().count(frame(10, b"A", key=None)) == 2
    server.transport.drain()
    resumed(server)
    assert server.take_output() == b""
    silent = side(read_ahead=1000, auto_pong=False)
    silent.connection.pause()
    silent.feed(frame(9, b"A"))
    assert silent.take_output() == b""


@pytest.mark.parametrize("end", [frame(3), frame(8)])
def test_no_ping_behind_a_fault_or_a_close_frame_is_answered(side: MakeSide, end: bytes) -> None:
    server = side(read_ahead=1000)
    server.connection.pause()
    server.feed(frame(9, b"A") + end + frame(9, b"B"), frame(9, b"C"))
    assert server.take_output() == frame(10, b"A", key=None)
    resumed(server)
    assert [event[0] for event in server.events] == ["ping", "fail" if end == frame(3) else "close"]


def test_an_end_during_a_pause_is_reported_after_it(side: MakeSide) -> None:
    server = side(read_ahead=1000)
    server.connection.pause()
    server.transport.protocol.eof_received()
    server.tick()
    assert server.events == []
    resumed(server)
    assert server.events[0] == ("end",)


# Activity -------------------------------------------------------------------------------------


def test_any_byte_counts_as_activity(side: MakeSide) -> None:
    server = side()
    assert not server.connection.take_activity()
    server.feed(frame(1, b"abc")[:1])
    assert server.connection.take_activity()
    assert not server.connection.take_activity()


def test_silence_means_nothing_while_reading_is_stopped(side: MakeSide) -> None:
    server = side()
    server.connection.pause()
    assert server.connection.take_activity()
    assert server.connection.take_activity()
    resumed(server)
    assert server.connection.take_activity()
    assert not server.connection.take_activity()


# Refusing above the mark ----------------------------------------------------------------------


def filled(side: MakeSide, *, begin: bytes | None = None) -> Side:
    """A side whose peer does not read, with more queued than the mark."""
    server = side(high_water_mark=10, refuse_above_mark=True)
    server.transport.hold = True
    if begin is not None:
        server.connection.send(begin, fin=False)
    server.connection.send(b"x" * 20, fin=begin is None)
    server.tick()
    server.take_output()
    return server


def test_a_message_above_the_mark_is_refused_whole(side: MakeSide) -> None:
    server = filled(side)
    told: list[object] = []
    server.connection.send("first", fin=False, callback=told.append)
    server.connection.send("second", fin=False)
    server.transport.drain()
    server.connection.send("last")
    server.connection.send("next")
    assert server.take_output() == frame(1, b"next", key=None)
    assert server.connection.refused == 1
    assert [type(error) for error in told] == [SlowPeer]
    assert [event[0] for event in server.events] == ["refused"] * 3


def test_a_message_begun_below_the_mark_may_be_finished(side: MakeSide) -> None:
    server = filled(side, begin=b"begin")
    server.connection.send("end")
    server.connection.send("refused")
    server.transport.drain()
    assert server.take_output() == frame(0, b"end", key=None)
    assert server.connection.refused == 1


def test_control_frames_are_not_refused(side: MakeSide) -> None:
    server = filled(side)
    server.connection.ping(b"p")
    server.transport.drain()
    assert server.take_output() == frame(9, b"p", key=None)
    assert server.connection.refused == 0


def test_messages_that_the_peer_takes_at_once_are_not_refused(side: MakeSide) -> None:
    server = side(high_water_mark=1, refuse_above_mark=True)
    for _ in range(100):
        server.connection.send("message")
    assert server.take_output() == frame(1, b"message", key=None) * 100
    assert server.connection.refused == 0
