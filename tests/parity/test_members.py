"""Members of a WebSocket of either role, connected with a peer that speaks bytes."""

from __future__ import annotations

import pytest

import wsrs

from ..peers import within
from .conftest import MakePair, Side

LARGE = 16 * 1024 * 1024
"""More bytes than the kernel holds for a peer that does not read."""


class TestMembers:
    @pytest.mark.parametrize("side", ["server", "client"])
    async def test_buffered_amount_counts_framing_and_is_0_once_sent(
        self, make_pair: MakePair, side: Side
    ) -> None:
        pair = await make_pair(side)
        await within(pair.ws.send("x"))
        assert (await pair.peer.frame()).payload == b"x"
        assert pair.ws.buffered_amount == 0
        pair.ws.send(bytes(LARGE), mask=False)
        before = pair.ws.bufferedAmount
        pair.ws.send(b"y" * 1000)
        assert pair.ws.buffered_amount == before + 1000 + (4 if side == "server" else 8)
        assert len((await pair.peer.frame()).payload) == LARGE
        assert (await pair.peer.frame()).payload == b"y" * 1000
        assert pair.ws.bufferedAmount == 0

    async def test_buffered_amount_counts_nothing_that_the_program_has_not_sent(
        self, make_pair: MakePair
    ) -> None:
        amounts: list[int] = []

        def on_connection(ws: wsrs.WebSocket, request: object) -> None:
            amounts.append(ws.buffered_amount)
            ws.send("hello")
            amounts.append(ws.buffered_amount)

        server = (await make_pair("server")).server
        server.on("connection", on_connection)
        async with wsrs.WebSocket(server.url) as ws:
            assert await within(ws.recv()) == "hello"
        assert amounts == [0, 2 + 5]

    async def test_pause_and_resume_have_no_effect_unless_open(self, make_pair: MakePair) -> None:
        server = (await make_pair(auto_pong=False)).server
        server.on("connection", lambda ws, request: ws.send("hello"))
        ws = wsrs.WebSocket(server.url)
        ws.pause()
        assert not ws.is_paused
        assert await within(ws.recv()) == "hello"
        ws.close()
        await within(ws.wait_closed())
        ws.pause()
        ws.resume()
        assert not ws.isPaused
