"""Redirects of the opening handshake: which are followed, how many, and which header fields go along."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, opening, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


class TestRedirects:
    async def redirect(
        self, raw_server: RawServer, location: str, status: str = "302 Found"
    ) -> dict[str, str]:
        peer = await raw_server.peer()
        _, fields = await peer.head()
        peer.write(f"HTTP/1.1 {status}\r\nLocation: {location}\r\n\r\n".encode())
        return fields

    async def test_a_redirect_fails_the_handshake_by_default(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        await self.redirect(raw_server, "/x")
        with pytest.raises(wsrs.HandshakeError, match="Unexpected server response: 302"):
            await within(waiting)

    async def test_redirects_are_followed_with_follow_redirects(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
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

    async def test_with_a_redirect_listener_no_credentials_are_dropped(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
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

    async def test_too_many_redirects_and_bad_ones_are_errors(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
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

    @pytest.mark.parametrize(
        ("location", "text"),
        [
            ("ftp://x", "The URL's protocol must be one of"),
            ("ws://[::x]/", "Invalid URL"),
            ("/x#y", "The URL contains a fragment identifier"),
        ],
    )
    async def test_a_redirect_to_a_bad_address_is_an_error(
        self, raw_server: RawServer, reports: Reports, location: str, text: str
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
        waiting = opening(ws)
        await self.redirect(raw_server, location)
        with pytest.raises(ValueError, match=text):
            await within(waiting)
        assert ws.ready_state == wsrs.CLOSED

    async def test_a_redirect_without_a_location_is_an_error(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
        waiting = opening(ws)
        peer = await raw_server.peer()
        await peer.head()
        peer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
        with pytest.raises(wsrs.HandshakeError, match="Unexpected server response: 302"):
            await within(waiting)

    async def test_no_redirect_is_followed_with_a_maximum_of_0(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True, max_redirects=0)
        waiting = opening(ws)
        await self.redirect(raw_server, "/1")
        with pytest.raises(wsrs.HandshakeError, match="Maximum redirects exceeded"):
            await within(waiting)

    @pytest.mark.parametrize("given", ["in the URL", "as an option"])
    async def test_auth_is_sent_again_to_the_first_host(
        self, raw_server: RawServer, reports: Reports, given: str
    ) -> None:
        other = await RawServer.start()
        url = raw_server.url.replace("//", "//me:pw@") if given == "in the URL" else raw_server.url
        auth = "me:pw" if given == "as an option" else None
        ws = wsrs.WebSocket(url, follow_redirects=True, auth=auth)
        ws.on("error", lambda error: None)
        first = await self.redirect(raw_server, other.url.replace("//", "//you:pw@"))
        second = await self.redirect(other, f"{raw_server.url}/back")
        third = await self.redirect(raw_server, "/")
        assert first["authorization"] == third["authorization"] == "Basic bWU6cHc="
        assert "authorization" not in second
        ws.terminate()
        await other.stop()

    async def test_a_redirect_from_wss_to_ws_drops_the_credentials(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        seen: list[bytes] = []

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {raw_server.url}/\r\n\r\n".encode())
            await writer.drain()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(came, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        headers = {"Authorization": "A", "Cookie": "c"}
        url = f"wss://127.0.0.1:{port}"
        ws = wsrs.WebSocket(url, follow_redirects=True, headers=headers, ca=CERTIFICATE)
        ws.on("error", lambda error: None)
        _, fields = await (await raw_server.peer()).head()
        assert b"Authorization: A" in seen[0]
        assert "authorization" not in fields
        assert "cookie" not in fields
        ws.terminate()
        server.close()

    async def test_a_downgrade_on_the_same_host_drops_the_credentials(self, reports: Reports) -> None:
        """`wss://h` redirects to `ws://h`, both at their default ports."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        heads: asyncio.Queue[str] = asyncio.Queue()

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.put_nowait((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://localhost/\r\n\r\n")
            await writer.drain()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await reader.read()
            writer.close()

        plain = await asyncio.start_server(came, "127.0.0.1", 0)
        secure = await asyncio.start_server(came, "127.0.0.1", 0, ssl=context)
        ports = {80: plain.sockets[0].getsockname()[1], 443: secure.sockets[0].getsockname()[1]}
        ws = wsrs.WebSocket(
            "wss://localhost",
            follow_redirects=True,
            headers={"Authorization": "A", "Cookie": "c", "Host": "h"},
            ca=CERTIFICATE,
            create_connection=lambda options: socket.create_connection(("127.0.0.1", ports[options["port"]])),
            max_redirects=1,
        )
        with pytest.raises(wsrs.HandshakeError, match="Maximum redirects exceeded"):
            await within(ws.wait_open())
        first, second = heads.get_nowait(), heads.get_nowait()
        assert "Authorization: A" in first
        assert "Cookie: c" in first
        assert "Host: h\r\n" in second
        assert "Authorization" not in second
        assert "Cookie" not in second
        plain.close()
        secure.close()

    async def test_finish_request_is_called_for_each_request(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        requests: list[Any] = []

        def finish(request: Any, ws: wsrs.WebSocket) -> None:
            requests.append(request)
            request.set_header("X-Count", len(requests))
            request.end()

        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True, finish_request=finish)
        assert (await self.redirect(raw_server, "/x"))["x-count"] == "1"
        peer = await raw_server.peer()
        _, fields = await peer.head()
        assert fields["x-count"] == "2"
        # The first request is answered: ending it no longer completes the handshake.
        requests[0].destroy()
        peer.write(raw_server.answer(fields["sec-websocket-key"]))
        await within(ws.wait_open())

    async def test_each_redirect_restarts_the_handshake_timeout(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        loop = asyncio.get_running_loop()
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True, handshake_timeout=0.4)
        begin = loop.time()
        waiting = opening(ws)
        while loop.time() - begin < 0.5:
            await asyncio.sleep(0.1)
            await self.redirect(raw_server, "/again")
        await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
            await within(waiting)

    @pytest.mark.parametrize("how", ["destroy", "terminate", "close"])
    async def test_a_client_may_give_up_in_its_redirect_event(
        self, raw_server: RawServer, reports: Reports, how: str
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
        waiting = opening(ws)
        ws.on("redirect", lambda url, request: getattr(request if how == "destroy" else ws, how)())
        await self.redirect(raw_server, "/x")
        with pytest.raises(wsrs.HandshakeError, match=r"destroyed|before the connection was established"):
            await within(waiting)
        assert ws.ready_state in (wsrs.CLOSING, wsrs.CLOSED)
