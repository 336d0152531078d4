"""`WebSocketServer.broadcast` to clients with and without permessage-deflate: all of them can read it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import websockets

from wsrs import WebSocket

from ..conftest import Serve
from ..peers import listen, within
from ..rooms import MakeRoom

pytestmark = pytest.mark.usefixtures("transports")

COMPRESSIONS = [
    {},
    {"server_no_context_takeover": True},
    {"server_max_window_bits": 9},
    {"zlib_deflate_options": {"level": 9, "memLevel": 4}},
]


class TestCompression:
    @pytest.mark.parametrize("compression", COMPRESSIONS, ids=repr)
    async def test_compressed_broadcasts_may_mix_with_messages_to_single_clients(
        self, serve: Serve, compression: dict[str, Any]
    ) -> None:
        """Clients that inflate with zlib, with our decompressor or not at all can read everything they
        get."""
        server = await serve(per_message_deflate={"threshold": 0, **compression})
        others: list[Any] = [
            await websockets.connect(server.url, max_size=None, compression=kind)
            for kind in ("deflate", "deflate", None)
        ]
        ours = [WebSocket(server.url), WebSocket(server.url, per_message_deflate=False)]
        for client in ours:
            await within(client.wait_open())
        clients = {}
        for ws in server.clients:
            ws.send(str(id(ws)))
        for client in (*others, *ours):
            clients[int(await within(client.recv()))] = client
        wanted: dict[int, list[Any]] = {key: [] for key in clients}
        chance = random.Random(5)
        for number in range(150):
            text = f"a message like many others, number {number}, " * chance.randrange(1, 40)
            data = chance.choice([text, text, text, chance.randbytes(20_000), text * 40, ""])
            if chance.random() < 0.5:
                excepted = chance.sample(sorted(server.clients, key=id), chance.randrange(3))
                server.broadcast(data, except_=excepted, slow="send")
                receivers = server.clients - set(excepted)
            else:
                receivers = {chance.choice(sorted(server.clients, key=id))}
                for ws in receivers:
                    ws.send(data)
            for ws in receivers:
                wanted[id(ws)].append(data)
            if number % 20 == 0:
                await asyncio.sleep(0)
        for key, client in clients.items():
            for data in wanted[key]:
                assert await within(client.recv()) == data
        for client in others:
            await client.close()

    async def test_clients_with_the_same_parameters_get_the_same_bytes(self, make_room: MakeRoom) -> None:
        """The shared form refers to no earlier message, so clients may have got different ones before."""
        room = await make_room(0, per_message_deflate={"threshold": 0})
        offers = [*["permessage-deflate"] * 3, "permessage-deflate; server_max_window_bits=10", None]
        for offer in offers:
            await room.join(**({} if offer is None else {"sec_websocket_extensions": offer}))
        text = "every client has heard this before. " * 30
        for ws in room.ws[:2]:
            ws.send(text)
        for peer in room.peers[:2]:
            await peer.frame()
        assert room.server.broadcast(text).sent == 5
        frames = await room.frames()
        assert len({frame.payload for frame in frames[:3]}) == 1
        assert [frame.rsv for frame in frames] == [0x40] * 4 + [0]
        assert len(frames[0].payload) < len(text) / 5
        assert frames[4].payload == text.encode()

    async def test_the_threshold_holds_for_broadcasts_with_any_parameters(self, make_room: MakeRoom) -> None:
        room = await make_room(0, per_message_deflate={"threshold": 100})
        await room.join(sec_websocket_extensions="permessage-deflate")
        await room.join(sec_websocket_extensions="permessage-deflate; server_no_context_takeover")
        for size, rsv in ((99, 0), (100, 0x40)):
            room.server.broadcast("x" * size)
            assert [frame.rsv for frame in await room.frames()] == [rsv] * 2

    async def test_a_broadcast_is_compressed_only_on_request_and_if_that_makes_it_shorter(
        self, make_room: MakeRoom
    ) -> None:
        room = await make_room(0, per_message_deflate={"threshold": 0})
        await room.join(sec_websocket_extensions="permessage-deflate")
        noise = random.Random(1).randbytes(5000)
        for data, compress in (("x" * 5000, False), (noise, True), ("", None), ("ab", None)):
            room.server.broadcast(data, compress=compress)
            frame = await room.peers[0].frame()
            assert (frame.rsv, frame.payload) == (0, data.encode() if isinstance(data, str) else data)
        room.server.broadcast("x" * 5000, compress=True)
        assert (await room.peers[0].frame()).rsv == 0x40

    async def test_a_client_compresses_a_broadcast_with_its_own_settings(self, make_room: MakeRoom) -> None:
        room = await make_room(0, per_message_deflate={"threshold": 0})
        came = listen(room.server, "connection")
        client = WebSocket(room.server.url, per_message_deflate={"threshold": 0})
        await within(client.wait_open())
        ws, _ = await within(came)
        text = "again and again " * 100
        for _ in range(3):
            heard = listen(ws, "message")
            assert room.server.broadcast(text, clients=[client]).sent == 1
            assert await within(heard) == (text.encode(), False)
