"""A client's way to an open connection: failing, being given up, redirects, several addresses, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs import _connect

from .conftest import Reports, Serve
from .peers import RawServer, listen, opening, within

CERTIFICATE = Path(__file__).with_name("localhost.pem")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class TestFailing:
    async def test_nobody_listens(self, reports: Reports) -> None:
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

    async def test_nobody_listens_and_nobody_hears(self, reports: Reports) -> None:
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{free_port()}")
        await within(ws.wait_closed())
        assert isinstance(reports.take()["exception"], ConnectionRefusedError)

    async def test_a_unix_socket_that_is_not_there(self, reports: Reports, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await within(wsrs.WebSocket(f"ws+unix:{tmp_path}/none").wait_open())

    async def test_handshake_timeout(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url, handshakeTimeout=50)
        waiting = opening(ws)
        peer = await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
            await within(waiting)
        await peer.head()
        assert await peer.at_end()

    @pytest.mark.parametrize("method", ["close", "terminate"])
    @pytest.mark.parametrize("connected", [False, True])
    async def test_giving_up(
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
    async def test_giving_up_in_the_upgrade_event(
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

    async def test_cancelling_the_entry(self, raw_server: RawServer, reports: Reports) -> None:
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

    async def test_sending_too_early(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        for early in (ws.send, ws.ping, ws.pong):
            with pytest.raises(wsrs.WebSocketError, match=r"not open: readyState 0 \(CONNECTING\)"):
                early("x")
        ws.pause()
        ws.resume()
        assert not ws.is_paused
        assert ws.buffered_amount == 0


class TestRedirects:
    async def redirect(
        self, raw_server: RawServer, location: str, status: str = "302 Found"
    ) -> dict[str, str]:
        peer = await raw_server.peer()
        _, fields = await peer.head()
        peer.write(f"HTTP/1.1 {status}\r\nLocation: {location}\r\n\r\n".encode())
        return fields

    async def test_are_no_answer_by_default(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        await self.redirect(raw_server, "/x")
        with pytest.raises(wsrs.HandshakeError, match="Unexpected server response: 302"):
            await within(waiting)

    async def test_are_followed(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url.replace("ws://", "ws://a:b@"), follow_redirects=True)
        seen: list[str] = []
        ws.on("redirect", lambda url, request: seen.append(url))
        first = await self.redirect(raw_server, "/x?y")
        peer = await raw_server.peer()
        line, second = await peer.head()
        assert line == "GET /x?y HTTP/1.1"
        assert ws.url == seen[0]
        assert seen == [f"ws://a:b@127.0.0.1:{raw_server.port}/x?y"]
        assert first["sec-websocket-key"] != second["sec-websocket-key"]
        assert first["authorization"] == second["authorization"]
        peer.write(raw_server.answer(second["sec-websocket-key"]))
        await within(ws.wait_open())

    async def test_credentials_go_to_no_other_host(self, raw_server: RawServer, reports: Reports) -> None:
        other = await RawServer.start()
        headers = {"Authorization": "A", "Cookie": "c", "Host": "h", "X": "y"}
        ws = wsrs.WebSocket(raw_server.url, followRedirects=True, headers=headers)
        first = await self.redirect(raw_server, f"{other.url}/")
        second = await self.redirect(other, f"{raw_server.url}/back", "308 Permanent Redirect")
        third = await self.redirect(raw_server, "/")
        assert first["authorization"] == third["authorization"] == "A"
        assert third["cookie"] == "c"
        assert "authorization" not in second
        assert "cookie" not in second
        assert second["host"] == f"127.0.0.1:{other.port}"
        assert second["x"] == "y"
        ws.on("error", lambda error: None).terminate()
        await other.stop()

    async def test_with_a_listener_nothing_is_dropped(self, raw_server: RawServer, reports: Reports) -> None:
        other = await RawServer.start()
        ws = wsrs.WebSocket(
            raw_server.url, follow_redirects=True, headers={"Authorization": "A", "Cookie": "c"}
        )
        ws.on("redirect", lambda url, request: request.remove_header("Cookie"))
        await self.redirect(raw_server, other.url)
        _, fields = await (await other.peer()).head()
        assert fields["authorization"] == "A"
        assert "cookie" not in fields
        ws.on("error", lambda error: None).terminate()
        await other.stop()

    async def test_too_many_and_bad_ones(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True, max_redirects=1)
        waiting = opening(ws)
        await self.redirect(raw_server, "/1")
        await self.redirect(raw_server, "/2")
        with pytest.raises(wsrs.HandshakeError, match="Maximum redirects exceeded"):
            await within(waiting)
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
        waiting = opening(ws)
        await self.redirect(raw_server, "ftp://x")
        with pytest.raises(ValueError, match="ftp"):
            await within(waiting)


class TestSeveralAddresses:
    def test_families_take_turns(self) -> None:
        six, four = socket.AF_INET6, socket.AF_INET
        found: list[Any] = [(six, (1,)), (six, (2,)), (six, (1,)), (four, (3,)), (six, (4,)), (four, (5,))]
        assert [address for _, (address,) in _connect.interleave(found)] == [1, 3, 2, 5, 4]

    async def test_the_next_is_tried_beside_a_silent_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[Any] = []
        won = socket.socket()

        async def attempt(info: Any) -> socket.socket:
            tried.append(info[1])
            if info[1] == "silent":
                await asyncio.get_running_loop().create_future()
            if info[1] == "refused":
                raise ConnectionRefusedError("refused")
            return won

        monkeypatch.setattr(_connect, "_connect", attempt)
        monkeypatch.setattr(_connect, "ATTEMPT_DELAY", 0.01)
        assert await within(_connect._race([(1, "silent"), (2, "refused"), (1, "good"), (2, "late")])) is won  # type: ignore[list-item]
        assert tried == ["silent", "refused", "good"]
        with pytest.raises(ConnectionRefusedError):
            await within(_connect._race([(1, "refused"), (2, "refused")]))  # type: ignore[list-item]
        won.close()

    async def test_a_name_with_a_dead_address(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        port = (await serve()).address()["port"]
        loop = asyncio.get_running_loop()

        async def both(host: str, *args: Any, **keywords: Any) -> Any:
            # Nothing listens on the second loopback address.
            return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

        monkeypatch.setattr(_connect, "lookup", both)
        assert loop is not None
        async with wsrs.WebSocket(f"ws://two.example:{port}") as ws:
            assert ws.ready_state == wsrs.OPEN


class TestTls:
    @pytest.fixture
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return context

    async def test_both_sides(self, serve: Serve, context: ssl.SSLContext) -> None:
        seen: list[Any] = []

        def verify(info: Any) -> bool:
            seen.append(info.secure)
            return True

        server = await serve(
            lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary)),
            ssl=context,
            verify_client=verify,
        )
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        url = f"wss://localhost:{server.address()['port']}"
        async with wsrs.WebSocket(url, ssl=trusting) as ws:
            for message in ("text", b"x" * 200_000):
                await ws.send(message)
                assert await within(ws.recv()) == message
        assert seen == [True]
        assert ws.url == url + "/"

    async def test_a_certificate_that_nobody_trusts(self, serve: Serve, context: ssl.SSLContext) -> None:
        server = await serve(ssl=context)
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(wsrs.WebSocket(f"wss://localhost:{server.address()['port']}").wait_open())
