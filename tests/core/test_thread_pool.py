"""Long compressed messages, in situations that a program on a real connection rarely meets."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from .conftest import MakeSide
from .harness import Side, frame
from .test_delivery import begin, texts

LONG = bytes(300_000)


def squeezed(data: bytes) -> bytes:
    """A compressed binary message from a client."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return frame(2, (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=0x40)


def until_sent(side: Side, sent: Awaitable[None]) -> None:
    """Run the loop until a thread has compressed the message that was sent."""

    async def wait() -> None:
        await asyncio.wait_for(sent, 10)

    side.loop.run_until_complete(wait())
    side.tick()


@pytest.fixture
def deflating(core: Any, side: MakeSide) -> MakeSide:
    """Makes a server's side that compresses and inflates long messages one at a time."""

    def make(**options: Any) -> Side:
        deflate = core.PerMessageDeflate(is_server=True, concurrency_limit=1)
        deflate.accept([{}])
        return side(deflate=deflate, **options)

    return make


@pytest.fixture
def threads_finish(core: Any) -> Iterator[Callable[[], None]]:
    """Waits until the threads have done all their jobs, without running the test's own loop: a longer job goes to the
    end of their common queue, and its end is awaited."""
    loop = asyncio.new_event_loop()

    def finish() -> None:
        deflate = core.PerMessageDeflate(is_server=True, concurrency_limit=1)
        deflate.accept([{}])
        last = Side(core, loop, True, deflate=deflate)
        last.feed(squeezed(bytes(8 * 1024 * 1024)))
        last.wait()
        assert [kind for kind, _ in last.events] == ["binary"]

    yield finish
    loop.close()


def test_only_a_message_of_more_than_64_kib_needs_a_thread(deflating: MakeSide) -> None:
    server = deflating()
    data = bytes(64 * 1024)
    server.feed(squeezed(data))
    assert server.events == [("binary", data)]
    server.events.clear()
    server.feed(squeezed(LONG))
    assert server.events == []
    server.wait()
    assert server.events == [("binary", LONG)]


def test_a_listener_added_as_a_thread_ends_gets_the_waiting_and_the_inflated_message(
    deflating: MakeSide, threads_finish: Callable[[], None]
) -> None:
    server = deflating(listen=False)
    server.feed(texts("a"), squeezed(LONG))

    def listen() -> None:
        server.connection.message_listener = server.on_message

    threads_finish()
    server.loop.call_soon(listen)
    server.tick(4)
    assert server.events == [("text", b"a"), ("binary", LONG)]


def test_an_inflated_message_waits_for_room_and_the_loss_waits_behind_it(
    deflating: MakeSide, threads_finish: Callable[[], None]
) -> None:
    server = deflating(listen=False)
    first = begin(server, server.connection.recv())
    server.feed(texts(*"abcdefghijklmnopqrstuvwxyz"))
    server.tick(2)
    assert first.result() == "a"
    server.feed(squeezed(LONG))
    # Twenty-five messages wait: few for a program that iterates, too many for one that has not asked.
    server.connection.message_listener = server.on_message
    server.connection.message_listener = None
    server.transport.lose(ConnectionResetError())
    server.tick(2)
    threads_finish()
    server.tick(2)
    assert server.events == []
    server.connection.message_listener = server.on_message
    server.tick(4)
    kinds = [kind for kind, _ in server.events]
    assert kinds == ["text"] * 25 + ["binary", "lost"]


def test_messages_that_waited_reach_a_listener_though_a_thread_was_stopped(deflating: MakeSide) -> None:
    server = deflating(listen=False)
    server.feed(texts("a", "b"), squeezed(LONG))
    server.connection.abort()
    server.connection.message_listener = server.on_message
    server.tick(4)
    assert [event for event in server.events if event[0] != "lost"] == [("text", b"a"), ("text", b"b")]


def test_pongs_that_wait_for_a_thread_count_as_pending(deflating: MakeSide) -> None:
    server = deflating(max_pending_auto_pongs=3)
    sent = server.connection.send(LONG)
    server.feed(frame(9, b"?") * 20)
    until_sent(server, sent)
    assert server.output.count(b"\x8a\x01?") == 3
    server.feed(frame(9, b"?") * 20)
    server.tick(2)
    assert server.output.count(b"\x8a\x01?") == 6


def test_nothing_is_buffered_once_the_connection_is_aborted(deflating: MakeSide) -> None:
    server = deflating()
    server.connection.send(LONG)
    server.connection.abort()
    assert server.connection.buffered_amount == 0


def test_a_broadcast_behind_a_thread_is_not_sent_after_end(core: Any, deflating: MakeSide) -> None:
    server = deflating()
    server.connection.send(LONG)
    server.connection.end()
    assert core.broadcast([server.connection], "x", skip_slow=False) == (0, 0, 0, 1)


def test_a_broadcast_behind_a_thread_is_not_refused(core: Any, deflating: MakeSide) -> None:
    server = deflating(refuse_above_mark=True)
    sent = server.connection.send(LONG)
    assert core.broadcast([server.connection], "to all", None, False, skip_slow=False) == (1, 0, 0, 0)
    assert (server.connection.refused, server.events) == (0, [])
    until_sent(server, sent)
    assert server.output.endswith(b"\x81\x06to all")


def test_pings_behind_a_message_that_a_thread_inflates_are_answered_while_the_program_pauses(
    deflating: MakeSide,
) -> None:
    server = deflating(read_ahead=65_536)
    server.feed(squeezed(LONG) + texts("behind") + frame(9, b"?"))
    server.connection.pause()
    assert server.take_output() == b"\x8a\x01?"
    server.connection.resume()
    while ("ping", b"?") not in server.events:
        server.events.clear()
        server.wait()
        server.tick()
    assert server.take_output() == b""


def test_a_send_returns_once_its_compressed_message_leaves_room_in_a_closing_transport(
    deflating: MakeSide,
) -> None:
    server = deflating(tls=True)
    sent = server.connection.send(LONG, None, None, True, None, None)
    server.connection.end()
    server.transport.hold = True
    until_sent(server, sent)  # 300,000 bytes are above the mark, but not after compression
    assert server.transport.closing
    assert server.transport.paused_writing
