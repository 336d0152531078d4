"""`WebSocketServer.stats`: connections, totals that include ended ones, and refusals by reason."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

import wsrs
from wsrs import Traffic, WebSocket

from ..conftest import Reports, Serve
from ..peers import (
    CLOSE,
    TEXT,
    close_frame,
    connect,
    frame,
    listen,
    raw_client,
    upgrade_request,
    within,
)
from ..websocket.test_stats import NOTHING


class TestOfAServer:
    async def test_open_and_total_connections_are_counted(self, serve: Serve) -> None:
        server = await serve()
        assert server.stats() == wsrs.ServerStats(
            open=0,
            total=0,
            refused={},
            tls_errors={},
            sent=NOTHING,
            received=NOTHING,
            dropped=0,
            skipped=0,
            closes={},
            errors={},
            ping=None,
        )
        peers = [await raw_client(server) for _ in range(3)]
        assert (server.stats().open, server.stats().total) == (3, 3)
        gone = listen(next(iter(server.clients)), "close")
        for peer in peers:
            await peer.close()
        await within(gone)
        await within(_until(lambda: server.stats().open == 0, server))
        assert (server.stats().total, server.stats().closes) == (3, {1006: 3})

    async def test_totals_keep_the_traffic_of_connections_that_have_ended(self, serve: Serve) -> None:
        def greet(ws: WebSocket, request: Any) -> None:
            ws.send("hello")

        server = await serve(greet)
        for _ in range(2):
            peer = await raw_client(server, then=frame(TEXT, b"hi") + close_frame(1000))
            assert (await peer.frame()).payload == b"hello"
            assert (await peer.frame()).opcode == CLOSE
            assert await peer.at_end()
            await peer.close()
        await within(_until(lambda: server.stats().open == 0, server))
        stats = server.stats()
        assert stats.sent == Traffic(2, 10, 2 * (2 + 5 + 2 + 2))
        assert stats.received == Traffic(2, 4, 2 * (2 + 4 + 2 + 2 + 4 + 2))
        assert (stats.open, stats.closes, stats.errors) == (0, {1000: 2}, {})

    async def test_without_client_tracking(self, serve: Serve) -> None:
        server = await serve(client_tracking=False)
        came = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(came)
        await ws.send("hello")
        assert (server.stats().open, server.stats().sent.messages) == (1, 1)
        ws.terminate()
        await within(ws.wait_closed())
        assert (server.stats().open, server.stats().sent.messages) == (0, 1)
        await peer.close()

    async def test_errors_and_closes_by_code(self, serve: Serve) -> None:
        server = await serve(lambda ws, request: ws.on("error", lambda error: None))
        for sent in (frame(TEXT, b"\xff"), frame(TEXT, b"\xff"), frame(3)):
            peer = await raw_client(server, then=sent)
            await peer.rest()
            await peer.close()
        await within(_until(lambda: server.stats().open == 0, server))
        assert server.stats().errors == {"WS_ERR_INVALID_UTF8": 2, "WS_ERR_INVALID_OPCODE": 1}
        assert server.stats().closes == {1006: 3}

    async def test_statistics_can_be_written_as_json(self, serve: Serve) -> None:
        server = await serve()
        assert json.loads(json.dumps(dataclasses.asdict(server.stats())))["sent"]["wire"] == 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            server.stats().open = 5


async def _until(holds: Callable[[], bool], server: Any) -> None:
    """Wait, while connections of a server end, until `holds` is true."""
    while not holds():
        ends = [ws.wait_closed() for ws in server.clients]
        await asyncio.gather(*ends)
        await asyncio.sleep(0)


class TestRefusals:
    async def _refused(self, server: Any, **request: Any) -> str:
        peer = await connect(server)
        peer.write(upgrade_request(**request))
        first, _ = await peer.head()
        await peer.close()
        return first.split()[1]

    async def test_refusals_are_counted_by_reason(self, serve: Serve, reports: Reports) -> None:
        def verify(info: Any) -> bool:
            if info.origin == "bad":
                raise KeyError(info.origin)
            return info.origin is None

        server = await serve(path="/here", verify_client=verify, max_connections=1)
        assert await self._refused(server, path="/here", without=("sec-websocket-key",)) == "400"
        assert await self._refused(server, path="/there") == "400"
        assert await self._refused(server, path="/here", origin="x") == "401"
        assert await self._refused(server, path="/here", origin="bad") == "500"
        reports.take()
        peer = await raw_client(server, "/here")
        assert await self._refused(server, path="/here") == "503"
        wanted = {"request": 1, "path": 1, "verify_client": 2, "max_connections": 1}
        assert server.stats().refused == wanted
        assert (server.stats().open, server.stats().total) == (1, 1)
        await peer.close()

    async def test_refusals_that_a_listener_answers_are_counted(self, serve: Serve) -> None:
        server = await serve()
        server.on("wsClientError", lambda error, transport, request: transport.abort())
        peer = await connect(server)
        peer.write(upgrade_request(without=("sec-websocket-key",)))
        assert await peer.rest_or_reset() == b""
        assert server.stats().refused == {"request": 1}
        await peer.close()

    async def test_refusals_while_closing_and_by_our_own_errors_are_counted(
        self, serve: Serve, reports: Reports
    ) -> None:
        verdicts: list[Any] = []
        asked = asyncio.Event()

        def verify(info: Any, verdict: Any) -> None:
            verdicts.append(verdict)
            asked.set()

        server = await serve(verify_client=verify)
        peer = await connect(server)
        peer.write(upgrade_request())
        await within(asked.wait())
        server.close()
        verdicts[0](True)
        assert (await peer.head())[0].split()[1] == "503"
        await peer.close()
        assert server.stats().refused == {"closing": 1}

        def choose(protocols: Any, request: Any) -> str:
            raise KeyError("x")

        server = await serve(handle_protocols=choose)
        assert await self._refused(server, sec_websocket_protocol="a") == "500"
        reports.take()
        assert server.stats().refused == {"error": 1}
