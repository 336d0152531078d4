"""`recv` and `next`: their order and bounds, beside listeners, when cancelled, and at the end."""

from __future__ import annotations

import pytest

from .conftest import MakeSide
from .harness import frame
from .test_delivery import begin, outcome, texts


def test_messages_wait_for_recv_as_str_and_bytes(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("é") + frame(2, b"b"))
    assert outcome(server, server.connection.recv()) == "é"
    assert outcome(server, server.connection.next()) == b"b"


def test_a_waiting_recv_is_woken(side: MakeSide) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    assert not task.done()
    server.feed(texts("now"))
    server.tick(2)
    assert task.result() == "now"


def test_a_second_recv_at_the_same_time_is_an_error(side: MakeSide) -> None:
    server = side(listen=False)
    first = begin(server, server.connection.recv())
    second = begin(server, server.connection.recv())
    with pytest.raises(RuntimeError, match="already waiting"):
        second.result()
    server.feed(texts("a"))
    server.tick(2)
    assert first.result() == "a"


@pytest.mark.parametrize("after", [False, True])
def test_cancelling_loses_no_message(side: MakeSide, after: bool) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    if after:
        server.feed(texts("kept"))
    task.cancel()
    server.tick(2)
    if not after:
        assert task.cancelled()
        server.feed(texts("kept"))
    if task.cancelled():
        assert outcome(server, server.connection.recv()) == "kept"
    else:
        assert task.result() == "kept"


def test_the_end_comes_after_the_messages(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("last"))
    server.connection.finish(LookupError("over"), False)
    assert outcome(server, server.connection.next()) == "last"
    for _ in range(2):
        for awaitable in (server.connection.next(), server.connection.recv()):
            with pytest.raises(LookupError, match="over"):
                outcome(server, awaitable)


def test_an_orderly_end_ends_an_iteration(side: MakeSide) -> None:
    server = side(listen=False)
    waiting = begin(server, server.connection.next())
    server.connection.finish(LookupError("over"), True)
    server.tick(2)
    with pytest.raises(StopAsyncIteration):
        waiting.result()
    with pytest.raises(LookupError, match="over"):
        outcome(server, server.connection.recv())


def test_a_listener_and_an_iteration_both_get_a_message(side: MakeSide) -> None:
    server = side()
    task = begin(server, server.connection.recv())
    server.feed(texts("both"))
    server.tick(2)
    assert server.events == [("text", b"both")]
    assert task.result() == "both"


def test_a_listener_that_is_added_later_gets_waiting_messages_in_order(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("a") + frame(2, b"b"))
    server.connection.message_listener = server.on_message
    assert server.events == []
    server.tick()
    server.feed(texts("c"))
    assert server.events == [("text", b"a"), ("binary", b"b"), ("text", b"c")]


def test_the_inbox_is_bounded_and_reading_stops_when_it_is_full(side: MakeSide) -> None:
    for messages in (texts("x") * 100, frame(2, bytes(30_000)) * 5):
        server = side(listen=False)
        server.feed(messages)
        assert not server.transport.is_reading()
        server.connection.message_listener = server.on_message
        server.tick(2)
        assert len(server.events) == (100 if len(messages) < 1000 else 5)
        assert server.transport.is_reading()


def test_a_slow_iteration_stops_the_reading_and_gets_everything(side: MakeSide) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    server.feed(*[b"".join(frame(2, b"%05d" % number) for number in range(5000))])
    server.tick(2)
    assert task.result() == b"00000"
    assert not server.transport.is_reading()
    for number in range(1, 5000):
        assert outcome(server, server.connection.recv()) == b"%05d" % number
    server.tick()
    assert server.transport.is_reading()


def test_unwanted_messages_are_dropped_with_discard(side: MakeSide) -> None:
    server = side(listen=False)
    server.connection.discard = True
    server.feed(texts("x") * 1000 + frame(9, b"p"))
    assert server.transport.is_reading()
    assert server.events == [("ping", b"p")]


@pytest.mark.parametrize("together", [True, False])
def test_the_bound_holds_again_after_messages_were_dropped(side: MakeSide, together: bool) -> None:
    """Each time 16 messages wait they are dropped, also when some were dropped before."""
    server = side(listen=False)
    server.connection.discard = True
    for _ in range(2):
        server.feed(*([texts("dropped") * 16] if together else [texts("dropped")] * 16))
    task = begin(server, server.connection.recv())
    assert not task.done()
    server.feed(texts("kept"))
    server.tick(2)
    assert task.result() == "kept"


@pytest.mark.parametrize("at_once", [True, False])
def test_the_owner_is_notified_when_reading_stops_before_a_task_has_asked(
    side: MakeSide, at_once: bool
) -> None:
    server = side(listen=False)
    server.feed(*([texts("x") * 15] if at_once else [texts("x")] * 15))
    assert server.stalls == 0
    server.feed(texts("x"))
    server.feed(texts("x"))
    assert server.stalls == 1
    assert not server.transport.is_reading()


def test_the_owner_is_not_notified_of_a_slow_iteration(side: MakeSide) -> None:
    server = side(listen=False)
    begin(server, server.connection.recv())
    server.feed(texts("x") * 3000)
    server.tick(2)
    assert server.stalls == 0
    assert not server.transport.is_reading()


def test_discarding_lets_a_full_queue_go_on(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("x") * 100 + frame(8))
    assert server.events == []
    server.connection.discard = True
    server.tick(2)
    assert server.events == [("close", 1005, b"")]


def test_discard_ends_a_claim_too(side: MakeSide) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    server.feed(texts("x") * 3000 + frame(8))
    server.tick(2)
    assert (task.result(), server.events) == ("x", [])
    server.connection.discard = True
    server.tick(2)
    assert server.events == [("close", 1005, b"")]
