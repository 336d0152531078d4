"""The attributes and methods of a connection before it has a transport, in rare states, and after its end."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs.errors import ConnectionClosed

from .conftest import MakeSide
from .harness import frame
from .test_delivery import Loop, Reentrant, outcome, texts


def test_attributes_that_were_set_can_be_read(side: MakeSide) -> None:
    connection = side(listen=False).connection
    assert (connection.message_listener, connection.discard) == (None, False)
    connection.message_listener, connection.discard = print, True
    assert (connection.message_listener, connection.discard) == (print, True)


def test_a_fragmented_message_may_end_with_a_plain_send(side: MakeSide) -> None:
    server = side()
    server.connection.binary_type = "fragments"
    server.feed(frame(2, b"a", fin=False))
    server.connection.binary_type = "nodebuffer"
    server.feed(frame(0, b"b"), frame(2, b"c"))
    assert server.events == [("binary", b"ab"), ("binary", b"c")]


def test_an_interrupt_in_a_listener_ends_the_program_and_not_the_connection(core: Any, loop: Loop) -> None:
    def interrupted() -> None:
        server.act = None
        raise KeyboardInterrupt

    server = Reentrant(core, loop, True)
    server.act = interrupted

    def read() -> None:
        server.feed(texts("a", "b"))
        server.tick()

    with pytest.raises(KeyboardInterrupt):
        read()
    server.tick(2)
    assert [event[1] for event in server.events] == [b"a", b"b"]


def test_control_frames_after_the_end_fail_without_a_callback(side: MakeSide) -> None:
    server = side()
    server.transport.protocol.connection_lost(None)
    server.transport.protocol.connection_lost(None)
    for call in (server.connection.ping, server.connection.pong, server.connection.send):
        with pytest.raises(ConnectionClosed):
            outcome(server, call(b"x"))
    assert server.events == [("lost", None)]


def test_a_message_may_consist_of_the_end_of_a_deflate_stream_alone(core: Any, side: MakeSide) -> None:
    """RFC 7692 section 7.2.3.4: a block with BFINAL, which needs the tail that the sender has removed."""
    deflate = core.PerMessageDeflate(is_server=True)
    deflate.accept([{}])
    server = side(deflate=deflate)
    server.feed(frame(1, b"\x01", rsv=0x40), frame(1, b"\x01", rsv=0x40))
    assert server.events == [("text", b"")] * 2


def test_a_client_takes_one_answer_to_its_offer(core: Any) -> None:
    several: list[list[Any]] = [[], [{}, {}]]
    for answers in several:
        with pytest.raises(ValueError, match="None of the extension offers can be accepted"):
            core.PerMessageDeflate(is_server=False).accept(answers)


def test_an_eof_received_twice_is_reported_once(side: MakeSide) -> None:
    server = side()
    server.transport.protocol.eof_received()
    server.transport.protocol.eof_received()
    server.tick(3)
    assert server.events == [("end",), ("lost", None)]


def test_a_long_message_sent_by_a_listener_leaves_at_once(core: Any, loop: Loop) -> None:
    told: list[Any] = []
    server = Reentrant(core, loop, True)
    server.act = lambda: server.connection.send(bytes(200_000), callback=told.append) and None
    server.feed(texts("a"))
    server.tick(2)
    assert (len(server.output), told) == (200_010, [None])


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("cb4a", "unexpected end of file"),
        ("04c101010000008090adfa3f222802140520920015120288020182026c4000ffff", "invalid block type"),
    ],
    ids=["a tail that ends a block", "a fault in a byte that gives text as well"],
)
def test_faults_in_deflate_streams_are_reported_as_faults_of_the_peer(
    core: Any, side: MakeSide, payload: str, why: str
) -> None:
    def fed(max_payload: int) -> Any:
        deflate = core.PerMessageDeflate(is_server=True)
        deflate.accept([{}])
        server = side(deflate=deflate, max_payload=max_payload)
        server.feed(frame(1, bytes.fromhex(payload), rsv=0x40))
        return server.events

    assert fed(1000) == [("fail", "Z_DATA_ERROR", 1007, why)]
    for most in range(2, 130):
        (event,) = fed(most)
        assert event[1] in ("Z_DATA_ERROR", "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
