"""Options that both sides take, each tested in either role with a peer that speaks bytes."""

from __future__ import annotations

import asyncio
import base64
import select
import socket
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import BINARY, CONTINUATION, PING, PONG, TEXT, gather_into, listen, port_of, within
from .conftest import MakePair, Side

SIDES = pytest.mark.parametrize("side", ["server", "client"])


@SIDES
class TestBothSides:
    async def test_auto_pong(self, make_pair: MakePair, side: Side) -> None:
        pair = await make_pair(side)
        pair.write(PING, b"1")
        assert (await pair.peer.frame())[:2] == (PONG, b"1")
        pair = await make_pair(side, autoPong=False)
        heard = listen(pair.ws, "ping")
        pair.write(PING, b"2")
        assert await within(heard) == (b"2",)
        pair.ws.send("not a pong")
        assert (await pair.peer.frame()).payload == b"not a pong"

    @pytest.mark.parametrize("allowed", [True, False])
    async def test_allow_synchronous_events(self, make_pair: MakePair, side: Side, allowed: bool) -> None:
        """Several events come in one tick, or each in a tick of its own."""
        pair = await make_pair(side, allow_synchronous_events=allowed)
        loop = asyncio.get_running_loop()
        tick = 0
        seen: list[tuple[bytes, int]] = []
        done = asyncio.Event()

        def count() -> None:
            nonlocal tick
            tick += 1
            if not done.is_set():
                loop.call_soon(count)

        def heard(data: bytes, is_binary: bool) -> None:
            seen.append((data, tick))
            if len(seen) == 3:
                done.set()

        pair.ws.on("message", heard)
        count()
        pair.peer.write(b"".join(pair.frame(TEXT, text) for text in (b"1", b"2", b"3")))
        await within(done.wait())
        assert [data for data, _ in seen] == [b"1", b"2", b"3"]
        assert len({when for _, when in seen}) == (1 if allowed else 3)

    async def test_max_payload_counts_the_whole_message(self, make_pair: MakePair, side: Side) -> None:
        pair = await make_pair(side, max_payload=10)
        message, failed = listen(pair.ws, "message"), listen(pair.ws, "error")
        pair.write(BINARY, b"x" * 6, fin=False)
        pair.write(CONTINUATION, b"y" * 4)
        assert await within(message) == (b"x" * 6 + b"y" * 4, True)
        pair.write(BINARY, b"x" * 6, fin=False)
        pair.write(CONTINUATION, b"y" * 5)
        assert (await within(failed))[0].code == "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"

    async def test_skip_utf8_validation(self, make_pair: MakePair, side: Side) -> None:
        pair = await make_pair(side, skipUTF8Validation=True)
        message, closed = listen(pair.ws, "message"), listen(pair.ws, "close")
        pair.write(TEXT, b"\xff")
        assert await within(message) == (b"\xff", False)
        pair.write(8, b"\x03\xe8\xff")
        await pair.peer.frame()
        pair.peer.hang_up()
        assert await within(closed) == (1000, b"\xff")

    async def test_max_fragments_of_a_message(self, make_pair: MakePair, side: Side) -> None:
        pair = await make_pair(side, maxFragments=2)
        message, failed = listen(pair.ws, "message"), listen(pair.ws, "error")
        pair.write(BINARY, b"a", fin=False)
        pair.write(CONTINUATION, b"b")
        assert await within(message) == (b"ab", True)
        for opcode in (BINARY, CONTINUATION, CONTINUATION):
            pair.write(opcode, b"a", fin=False)
        assert (await within(failed))[0].code == "WS_ERR_TOO_MANY_BUFFERED_PARTS"

    async def test_max_buffered_chunks(self, make_pair: MakePair, side: Side) -> None:
        pair = await make_pair(side, maxBufferedChunks=2)
        pair.ws.binary_type = "fragments"
        message, failed = listen(pair.ws, "message"), listen(pair.ws, "error")
        pair.write(BINARY, b"a", fin=False)
        pair.write(CONTINUATION, b"b")
        assert await within(message) == ([b"a", b"b"], True)
        for opcode in (BINARY, CONTINUATION, CONTINUATION):
            pair.write(opcode, b"a", fin=False)
        assert (await within(failed))[0].code == "WS_ERR_TOO_MANY_BUFFERED_PARTS"

    async def test_max_pending_auto_pongs(self, make_pair: MakePair, side: Side) -> None:
        """Pings are not answered while so many pongs wait behind data that the peer does not read."""
        pair = await make_pair(side, maxPendingAutoPongs=3)
        heard: list[Any] = []
        full = asyncio.Event()
        pair.ws.on("ping", gather_into(heard, 10, full))
        size = 16 * 1024 * 1024
        pair.ws.send(bytes(size), mask=False)
        assert pair.ws.buffered_amount > 0
        for number in range(10):
            pair.write(PING, b"%d" % number)
        await within(full.wait())
        assert len((await pair.peer.frame()).payload) == size
        assert [(await pair.peer.frame())[:2] for _ in range(3)] == [(PONG, b"%d" % n) for n in range(3)]
        pair.ws.send("next")
        assert (await pair.peer.frame()).payload == b"next"
        pair.write(PING, b"again")
        assert (await pair.peer.frame())[:2] == (PONG, b"again")

    async def test_close_timeout_in_both_units(self, make_pair: MakePair, side: Side) -> None:
        for options in ({"closeTimeout": 20}, {"close_timeout": 0.02}):
            pair = await make_pair(side, **options)
            closed = listen(pair.ws, "close")
            pair.ws.close(1000)
            assert await within(closed, 5) == (1006, b"")


class TestServer:
    async def test_backlog(self, reports: Reports) -> None:
        """The option limits how many connections the system completes before the server has accepted one."""
        attempts = 8

        def complete(server: wsrs.WebSocketServer) -> int:
            # Nothing is accepted meanwhile, because the loop does not run.
            clients = [socket.socket() for _ in range(attempts)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port_of(server)))
            connected: set[socket.socket] = set()
            while True:
                _, ready, _ = select.select([], list(set(clients) - connected), [], 0.2)
                if not ready:
                    break
                connected.update(ready)
                if len(connected) == attempts:
                    break
            for client in clients:
                client.close()
            return len(connected)

        small = wsrs.WebSocketServer(port=0, host="127.0.0.1", backlog=1)
        usual = wsrs.WebSocketServer(port=0, host="127.0.0.1")
        assert complete(small) < attempts
        assert complete(usual) == attempts
        await within(asyncio.gather(small.shutdown(), usual.shutdown()))

    async def test_client_tracking(self, make_pair: MakePair) -> None:
        pair = await make_pair(clientTracking=False)
        assert not hasattr(pair.server, "clients")
        pair = await make_pair(clientTracking=True)
        assert pair.server.clients == {pair.ws}


class TestStates:
    async def test_the_constants_are_the_states_of_a_connection(self, make_pair: MakePair) -> None:
        ws = wsrs.WebSocket((await make_pair()).server.url)
        states = [ws.ready_state]
        await within(ws.wait_open())
        states.append(ws.readyState)
        ws.close()
        states.append(ws.ready_state)
        await within(ws.wait_closed())
        states.append(ws.readyState)
        assert states == [ws.CONNECTING, ws.OPEN, ws.CLOSING, ws.CLOSED] == [0, 1, 2, 3]


class TestClientOptions:
    async def test_auth(self, make_pair: MakePair) -> None:
        pair = await make_pair("client", auth="me:secret")
        assert base64.b64decode(pair.head["authorization"].removeprefix("Basic ")) == b"me:secret"
