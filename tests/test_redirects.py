"""Redirects of the opening handshake: which are followed, how far, and what goes along."""

from __future__ import annotations

import pytest

import wsrs

from .conftest import Reports
from .peers import RawServer, opening, within


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
