"""Clients that do not get an open connection: failures, timeouts, cancellation, and sending too early."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, listen, opening, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class TestFailing:
    async def test_connecting_to_a_port_without_a_server_fails(self, reports: Reports) -> None:
        url = f"ws://127.0.0.1:{free_port()}"
        ws = wsrs.WebSocket(url)
        events: list[Any] = []
        ws.on("error", lambda error: events.append((type(error), ws.ready_state)))
        ws.on("close", lambda code, reason: events.append((code, reason, ws.ready_state)))
        await within(ws.wait_closed())
        assert events == [(ConnectionRefusedError, wsrs.CLOSING), (1006, b"", wsrs.CLOSED)]
        with pytest.raises(ConnectionRefusedError):
            async with wsrs.WebSocket(url):
                pass
        with pytest.raises(ConnectionRefusedError):
            await within(wsrs.WebSocket(url).recv())

    async def test_a_failure_that_no_task_awaits_is_reported(self, reports: Reports) -> None:
        # A task may begin to wait in the tick of the end and still get the error: it is reported some ticks
        # later.
        loop = asyncio.get_running_loop()
        report: asyncio.Future[dict[str, Any]] = loop.create_future()
        loop.set_exception_handler(lambda _, context: report.set_result(context))
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{free_port()}")
        await within(ws.wait_closed())
        assert isinstance((await within(report))["exception"], ConnectionRefusedError)

    async def test_connecting_to_a_missing_unix_socket_fails(self, reports: Reports, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await within(wsrs.WebSocket(f"ws+unix:{tmp_path}/none").wait_open())

    async def test_a_handshake_without_an_answer_times_out(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, handshakeTimeout=50)
        waiting = opening(ws)
        peer = await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
            await within(waiting)
        await peer.head()
        assert await peer.at_end()

    @pytest.mark.parametrize("method", ["close", "terminate"])
    @pytest.mark.parametrize("connected", [False, True])
    async def test_a_client_may_give_up_while_it_connects(
        self, raw_server: RawServer, reports: Reports, method: str, connected: bool
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        if connected:
            await (await raw_server.peer()).head()
        error, closed = listen(ws, "error"), listen(ws, "close")
        getattr(ws, method)()
        assert ws.ready_state == wsrs.CLOSING
        assert not error.done()
        getattr(ws, method)()
        text = "WebSocket was closed before the connection was established"
        assert str((await within(error))[0]) == text
        assert await within(closed) == (1006, b"")

    @pytest.mark.parametrize("method", ["close", "terminate"])
    async def test_a_client_may_give_up_in_its_upgrade_event(
        self, raw_server: RawServer, reports: Reports, method: str
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        ws.on("upgrade", lambda response: getattr(ws, method)())
        opened = listen(ws, "open")
        peer = await raw_server.accept()
        with pytest.raises(wsrs.HandshakeError, match="before the connection was established"):
            await within(waiting)
        assert not opened.done()
        assert await peer.at_end()

    async def test_cancelling_async_with_ends_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        ws.on("error", lambda error: None)
        task = asyncio.ensure_future(ws.__aenter__())
        peer = await raw_server.peer()
        await peer.head()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await within(ws.wait_closed())
        assert await peer.at_end()

    async def test_sending_before_the_connection_is_open_is_an_error(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        for early in (ws.send, ws.ping, ws.pong):
            with pytest.raises(wsrs.WebSocketError, match=r"not open: readyState 0 \(CONNECTING\)"):
                early("x")
        ws.pause()
        ws.resume()
        assert not ws.is_paused
        assert ws.buffered_amount == 0
