"""`WebSocketServer.broadcast`: who gets the message, who does not, and what it costs."""

from __future__ import annotations

import array
import random
import sys
from typing import Any

import pytest
import websockets

import wsrs
from wsrs import BroadcastResult, WebSocket

from ..peers import BINARY, CONTINUATION, TEXT, Frame, listen, within
from ..rooms import MIB, MakeRoom, block

pytestmark = pytest.mark.usefixtures("transports")


class TestTheMessage:
    @pytest.mark.parametrize(
        ("data", "opcode", "payload"),
        [
            ("grüße", TEXT, "grüße".encode()),
            ("", TEXT, b""),
            (7, TEXT, b"7"),
            (b"bytes", BINARY, b"bytes"),
            (memoryview(b"a-b-c")[::2], BINARY, b"abc"),
            (array.array("H", [1, 2]), BINARY, array.array("H", [1, 2]).tobytes()),
            ([0, 255], BINARY, b"\x00\xff"),
            (wsrs.Blob(["bl", b"ob"]), BINARY, b"blob"),
            (b"\x01" * MIB, BINARY, b"\x01" * MIB),
            ("ü" * 20_000, TEXT, "ü".encode() * 20_000),
        ],
        ids=lambda value: None if isinstance(value, int) else repr(value)[:12],
    )
    async def test_every_type_and_size_can_be_broadcast(
        self, make_room: MakeRoom, data: Any, opcode: int, payload: bytes
    ) -> None:
        room = await make_room()
        assert room.server.broadcast(data) == (3, 0, 0, 0)
        assert await room.frames() == [Frame(opcode, payload, True, False, 0)] * 3

    async def test_binary_or_text_by_choice(self, make_room: MakeRoom) -> None:
        room = await make_room(1)
        room.server.broadcast("text", binary=True)
        room.server.broadcast(b"binary", binary=False)
        assert [(await room.peers[0].frame())[:2] for _ in range(2)] == [(BINARY, b"text"), (TEXT, b"binary")]

    async def test_data_changed_after_a_broadcast_is_sent_as_it_was(self, make_room: MakeRoom) -> None:
        room = await make_room()
        data = bytearray(b"x" * MIB)
        room.server.broadcast(data)
        data[:] = b"y" * MIB
        assert {frame.payload for frame in await room.frames()} == {b"x" * MIB}

    async def test_a_broadcast_keeps_its_place_among_other_messages(self, make_room: MakeRoom) -> None:
        room = await make_room(2)
        large = b"large" * 10_000
        room.ws[0].send("first")
        room.server.broadcast(large)
        room.server.broadcast("small")
        room.ws[0].send("last")
        got = [(await room.peers[0].frame()).payload for _ in range(4)]
        assert got == [b"first", large, b"small", b"last"]
        assert [(await room.peers[1].frame()).payload for _ in range(2)] == [large, b"small"]

    async def test_a_broadcast_from_a_message_listener(self, make_room: MakeRoom) -> None:
        """Messages that reach the server in one read are sent to all clients, in order."""
        room = await make_room(3)
        for ws in room.ws:
            ws.on("message", lambda data, is_binary: room.server.broadcast(data, binary=is_binary))
        async with websockets.connect(room.server.url) as client:
            await room.join()
            (ws,) = room.server.clients - set(room.ws)
            ws.on("message", lambda data, is_binary: room.server.broadcast(data, binary=is_binary))
            sizes = (1, 200, 100_000, 2)
            for size in sizes:
                await client.send("m" * size)
            assert [len(await within(client.recv())) for _ in sizes] == list(sizes)
        for peer in room.peers:
            assert [len((await peer.frame()).payload) for _ in sizes] == list(sizes)


class TestWhoGetsIt:
    async def test_all_clients_but_those_excepted_get_a_broadcast(self, make_room: MakeRoom) -> None:
        room = await make_room(3)
        first, second, third = room.ws
        assert room.server.broadcast("1", except_=first).sent == 2
        assert room.server.broadcast("2", except_=[first, second]).sent == 1
        assert room.server.broadcast("3", except_=room.server.clients).sent == 0
        room.server.broadcast("end")
        got = []
        for peer in room.peers:
            text = [(await peer.frame()).payload.decode()]
            while text[-1] != "end":
                text.append((await peer.frame()).payload.decode())
            got.append("".join(text))
        assert got == ["end", "1end", "12end"]
        assert third.ready_state == wsrs.OPEN

    async def test_each_named_client_gets_a_broadcast_once(self, make_room: MakeRoom) -> None:
        room = await make_room(3)
        first, second, _ = room.ws
        assert room.server.broadcast("1", clients=(ws for ws in (first, second, first))).sent == 2
        assert room.server.broadcast("2", clients=[first, second], except_={second}).sent == 1
        assert room.server.broadcast("3", clients=[]) == (0, 0, 0, 0)
        room.server.broadcast("end")
        assert [frame.payload for frame in await room.frames()] == [b"1", b"1", b"end"]

    async def test_a_broadcast_may_go_to_clients_and_to_connections_of_another_server(
        self, make_room: MakeRoom
    ) -> None:
        """Frames sent by clients are masked, each with a key of its own."""
        here, there = await make_room(1), await make_room(1)
        client = WebSocket(there.server.url)
        came = listen(there.server, "connection")
        await within(client.wait_open())
        ws, _ = await within(came)
        heard = listen(ws, "message")
        assert here.server.broadcast("x", clients=[*here.ws, *there.ws, client]) == (3, 0, 0, 0)
        assert await within(heard) == (b"x", False)
        for room in (here, there):
            assert (await room.peers[0].frame()).payload == b"x"

    async def test_without_client_tracking(self, make_room: MakeRoom) -> None:
        room = await make_room(1, client_tracking=False)
        with pytest.raises(RuntimeError, match="client_tracking"):
            room.server.broadcast("x")
        assert room.server.broadcast("x", clients=room.ws).sent == 1
        assert (await room.peers[0].frame()).payload == b"x"
        room.ws[0].terminate()

    async def test_closing_and_closed_connections_get_no_broadcast(self, make_room: MakeRoom) -> None:
        room = await make_room(3)
        closing, closed, _ = room.ws
        closing.close()
        closed.terminate()
        await within(closed.wait_closed())
        connecting = WebSocket(room.server.url)
        result = room.server.broadcast("x", clients=[*room.ws, connecting])
        assert result == BroadcastResult(sent=1, slow=0, busy=0, closed=3)
        assert (await room.peers[2].frame()).payload == b"x"
        assert room.server.broadcast("y", clients=room.server.clients & set(room.ws)) == (1, 0, 0, 1)
        await within(connecting.wait_open())

    async def test_a_broadcast_does_not_cut_into_a_message_in_fragments(self, make_room: MakeRoom) -> None:
        room = await make_room(2)
        room.ws[0].send("a", fin=False)
        assert room.server.broadcast("x") == BroadcastResult(sent=1, slow=0, busy=1, closed=0)
        room.ws[0].send("b")
        assert room.server.broadcast("y").sent == 2
        got = [(await room.peers[0].frame())[:3] for _ in range(3)]
        assert got == [(TEXT, b"a", False), (CONTINUATION, b"b", True), (TEXT, b"y", True)]
        assert [(await room.peers[1].frame()).payload for _ in range(2)] == [b"x", b"y"]


class TestSlowClients:
    async def test_slow_clients_are_skipped_and_counted(self, make_room: MakeRoom) -> None:
        room = await make_room(3)
        await block(room.ws[1])
        before = room.ws[1].buffered_amount
        assert room.server.broadcast(b"x" * 1000) == BroadcastResult(sent=2, slow=1, busy=0, closed=0)
        assert room.ws[1].buffered_amount == before
        for place in (0, 2):
            assert len((await room.peers[place].frame()).payload) == 1000

    async def test_slow_clients_get_a_broadcast_with_slow_send(self, make_room: MakeRoom) -> None:
        room = await make_room(2)
        await block(room.ws[1])
        before = room.ws[1].buffered_amount
        assert room.server.broadcast(b"x" * 1000, slow="send") == (2, 0, 0, 0)
        assert room.ws[1].buffered_amount == before + 1004
        last = b""
        while last != b"x" * 1000:
            last = (await room.peers[1].frame()).payload

    async def test_a_client_is_slow_no_longer_when_it_has_read(self, make_room: MakeRoom) -> None:
        room = await make_room(1)
        await block(room.ws[0])
        assert room.server.broadcast("x").slow == 1
        done = room.ws[0].send("the last")
        while (await room.peers[0].frame()).payload != b"the last":
            pass
        await within(done)
        assert room.server.broadcast("y").sent == 1
        assert (await room.peers[0].frame()).payload == b"y"

    async def test_many_messages_within_a_tick_make_nobody_slow(self, make_room: MakeRoom) -> None:
        """Messages that only wait for the end of the tick do not show a slow reader, however low the mark."""
        room = await make_room(2, high_water_mark=100)
        for number in range(50):
            assert room.server.broadcast(f"{number:100}") == (2, 0, 0, 0)
        for peer in room.peers:
            assert [int((await peer.frame()).payload) for _ in range(50)] == list(range(50))


class TestErrors:
    @pytest.mark.parametrize("data", [None, True, object(), {"a": 1}, [256], "\ud800"])
    async def test_data_that_cannot_be_sent(self, make_room: MakeRoom, data: Any) -> None:
        room = await make_room(2)
        with pytest.raises((TypeError, ValueError)):
            room.server.broadcast(data)
        room.server.broadcast("the next")
        assert [frame.payload for frame in await room.frames()] == [b"the next"] * 2

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            ({"clients": 5}, TypeError, "clients must be WebSockets, not int"),
            ({"clients": ["x"]}, TypeError, "each of clients must be a WebSocket, not str"),
            ({"except_": [None]}, TypeError, "each of except_ must be a WebSocket, not NoneType"),
            ({"slow": "drop"}, ValueError, "slow must be 'skip' or 'send', not 'drop'"),
        ],
    )
    async def test_arguments(self, make_room: MakeRoom, arguments: Any, error: Any, text: str) -> None:
        room = await make_room(1)
        with pytest.raises(error, match=text):
            room.server.broadcast("x", **arguments)
        room.server.broadcast("the next")
        assert (await room.peers[0].frame()).payload == b"the next"

    async def test_a_failing_mask_keeps_a_broadcast_from_no_other_client(self, make_room: MakeRoom) -> None:
        room = await make_room(1)

        def generate(key: bytearray) -> None:
            raise ZeroDivisionError

        client = WebSocket(room.server.url, generate_mask=generate)
        await within(client.wait_open())
        with pytest.raises(ZeroDivisionError):
            room.server.broadcast("x", clients=[client, *room.ws])
        assert (await room.peers[0].frame()).payload == b"x"
        client.terminate()

    async def test_a_callback_may_end_other_clients_during_a_broadcast(self, make_room: MakeRoom) -> None:
        """A callback runs when its message is written, and that is while the large one is being sent."""
        room = await make_room(3)

        def end_all(error: object) -> None:
            for ws in room.ws:
                ws.terminate()

        for ws in room.ws:
            ws.send("x", callback=end_all)
        result = room.server.broadcast(b"y" * 200_000)
        assert result.sent + result.closed == 3
        for ws in room.ws:
            await within(ws.wait_closed())


class TestMemory:
    async def test_a_large_broadcast_is_in_memory_once_for_all_clients(
        self, make_room: MakeRoom, transports: str
    ) -> None:
        """On the engine's transports, all connections that cannot write share the one object."""
        room = await make_room(4)
        data = random.Random(3).randbytes(16 * MIB)
        before = sys.getrefcount(data)
        assert room.server.broadcast(data).sent == 4
        if transports == "engine":
            assert sys.getrefcount(data) == before + 4
        else:
            assert all(ws.buffered_amount > 0 for ws in room.ws)
        for peer in room.peers:
            assert (await peer.frame()).payload == data
