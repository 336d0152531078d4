"""Untaken messages are bounded, even after the loss; a listener that is added after `recv` gets them."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from wsrs.errors import ConnectionClosed

from .conftest import MakeSide
from .harness import Side, frame
from .test_delivery import begin, outcome, texts

BOMB = 64 * 1024
"""Bytes of one inflated message: as many as the inbox holds."""


def compressing(core: Any, side: MakeSide, **options: Any) -> Side:
    """A server's side with compression and without a listener."""
    deflate = core.PerMessageDeflate(is_server=True)
    deflate.accept([{}])
    return side(listen=False, deflate=deflate, **options)


def bombs(count: int) -> bytes:
    """Compressed messages of zeros, a few bytes each."""
    deflater = zlib.compressobj(wbits=-15)
    sent = []
    for _ in range(count):
        packed = deflater.compress(bytes(BOMB)) + deflater.flush(zlib.Z_SYNC_FLUSH)
        sent.append(frame(2, packed[:-4], rsv=0x40))
    return b"".join(sent)


def decoded(core: Any, server: Side) -> int:
    """How many messages have been decoded so far."""
    return int(core.counts((server.connection,))[3])


@pytest.mark.parametrize("claims", [True, False])
@pytest.mark.parametrize("read_ahead", [0, 64 * 1024])
def test_a_loss_inflates_no_more_than_the_inbox_holds(
    core: Any, side: MakeSide, claims: bool, read_ahead: int
) -> None:
    server = compressing(core, side, read_ahead=read_ahead)
    server.feed(bombs(1) * (not claims))
    if claims:
        task = begin(server, server.connection.recv())
        server.feed(bombs(1))
        server.tick(2)
        assert len(task.result()) == BOMB
    server.feed(frame(2, bytes(BOMB)) + frame(1, b"x") * 300 + frame(2, bytes(BOMB)) * 2 + frame(1, b"last"))
    error = ConnectionResetError("reset")
    server.transport.lose(error)
    server.tick(3)
    waiting = decoded(core, server) - claims
    assert waiting == 1
    assert server.events == []
    taken = []
    while server.events == []:
        taken.append(outcome(server, server.connection.recv()))
        # The bound of the inbox, and the one message that may exceed it.
        assert decoded(core, server) - claims - len(taken) <= 301
    server.connection.finish(ConnectionClosed(1006), False)
    while taken[-1] != "last":
        taken.append(outcome(server, server.connection.recv()))
    assert len(taken) == 304 + (not claims)
    assert server.events == [("lost", error)]
    with pytest.raises(ConnectionClosed):
        outcome(server, server.connection.recv())


def test_bombs_before_a_loss_are_inflated_as_they_are_taken(core: Any, side: MakeSide) -> None:
    server = compressing(core, side)
    task = begin(server, server.connection.next())
    server.feed(bombs(200))
    server.tick(2)
    assert len(task.result()) == BOMB
    server.transport.protocol.connection_lost(None)
    for taken in range(1, 200):
        server.tick(2)
        assert decoded(core, server) - taken == 1
        assert server.events == [("lost", None)] * (taken == 199)
        assert len(outcome(server, server.connection.next())) == BOMB
    server.tick(2)
    assert server.events == [("lost", None)]


@pytest.mark.parametrize("way", ["abort", "discard", "listener"])
def test_untaken_messages_do_not_hold_back_the_loss_for_ever(core: Any, side: MakeSide, way: str) -> None:
    server = compressing(core, side)
    server.feed(bombs(50))
    server.transport.protocol.connection_lost(None)
    server.tick(3)
    assert (decoded(core, server), server.events) == (1, [])
    if way == "abort":
        server.connection.abort()
    elif way == "discard":
        server.connection.discard = True
    else:
        server.connection.message_listener = server.on_message
    server.tick(4)
    assert decoded(core, server) == (1 if way == "abort" else 50)
    assert len(server.events) == (51 if way == "listener" else 1)
    assert server.events[-1] == ("lost", None)


def test_a_loss_with_a_full_inbox_and_no_backlog_is_reported_at_once(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("x") * 16)
    server.transport.protocol.connection_lost(None)
    server.tick()
    assert server.events == [("lost", None)]


# A listener that is added after `recv` --------------------------------------------------------


@pytest.mark.parametrize("waiting", [0, 5, 2000])
@pytest.mark.parametrize("lossy", [True, False])
def test_a_listener_set_after_recv_takes_over(side: MakeSide, waiting: int, lossy: bool) -> None:
    server = side(listen=False, skip_utf8_validation=lossy)
    word = b"\xff" if lossy else b"x"
    task = begin(server, server.connection.recv())
    server.feed(texts("login"))
    server.tick(2)
    assert task.result() == "login"
    server.feed(frame(1, word) * waiting)
    server.connection.message_listener = server.on_message
    server.tick(2)
    server.feed(frame(1, word) * 3000)
    server.tick(2)
    assert server.events == [("text", word)] * (waiting + 3000)
    assert server.transport.is_reading()


@pytest.mark.parametrize("woken", [True, False])
def test_a_listener_added_while_a_task_waits_shares_with_it(side: MakeSide, woken: bool) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    if woken:
        server.feed(texts("a"))
    server.connection.message_listener = server.on_message
    server.feed(texts("b"))
    server.tick(2)
    assert task.result() == ("a" if woken else "b")
    assert server.events == [("text", b"b")]


def test_recv_claims_messages_again_after_a_listener_took_over(side: MakeSide) -> None:
    server = side(listen=False)
    begin(server, server.connection.recv())
    server.feed(texts("a"))
    server.tick(2)
    server.connection.message_listener = server.on_message
    server.feed(texts("b"))
    task = begin(server, server.connection.recv())
    server.feed(texts("c"))
    server.tick(2)
    assert task.result() == "c"
    server.feed(texts("d"))
    assert outcome(server, server.connection.recv()) == "d"
    assert server.events == [("text", letter) for letter in (b"b", b"c", b"d")]
