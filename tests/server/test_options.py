"""The effects of a server's options, as its clients see them."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import CLOSE, PING, PONG, TEXT, connect, frame, listen, raw_client, upgrade_request, within


class TestConnections:
    @pytest.mark.parametrize("spelling", ["auto_pong", "autoPong"])
    async def test_auto_pong(self, serve: Serve, spelling: str) -> None:
        for auto_pong in (True, False):
            server = await serve(
                lambda ws, request: ws.on("ping", lambda data: ws.send("seen")), **{spelling: auto_pong}
            )
            peer = await raw_client(server, then=frame(PING, b"p"))
            seen = [(await peer.frame())[:2] for _ in range(2 if auto_pong else 1)]
            assert seen == [(PONG, b"p"), (TEXT, b"seen")][0 if auto_pong else 1 :]
            await peer.close()

    @pytest.mark.parametrize("spelling", ["skip_utf8_validation", "skipUTF8Validation"])
    async def test_skip_utf8_validation(self, serve: Serve, reports: Reports, spelling: str) -> None:
        for skip in (True, False):
            server = await serve(**{spelling: skip})
            connection = listen(server, "connection")
            peer = await raw_client(server)
            ws, _ = await within(connection)
            message, error = listen(ws, "message"), listen(ws, "error")
            peer.write(frame(TEXT, b"\xff"))
            if skip:
                assert await within(message) == (b"\xff", False)
            else:
                assert (await within(error))[0].code == "WS_ERR_INVALID_UTF8"
                assert (await peer.frame())[:2] == (CLOSE, b"\x03\xef")
            await peer.close()

    @pytest.mark.parametrize("size", [4, 5])
    async def test_max_payload(self, serve: Serve, reports: Reports, size: int) -> None:
        server = await serve(maxPayload=4)
        connection = listen(server, "connection")
        peer = await raw_client(server)
        ws, _ = await within(connection)
        message, error = listen(ws, "message"), listen(ws, "error")
        peer.write(frame(TEXT, b"x" * size))
        if size == 4:
            assert await within(message) == (b"xxxx", False)
        else:
            assert (await within(error))[0].code == "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
            assert (await peer.frame())[:2] == (CLOSE, b"\x03\xf1")
        await peer.close()

    async def test_close_timeout(self, serve: Serve) -> None:
        server = await serve(lambda ws, request: ws.close(), closeTimeout=50)
        peer = await raw_client(server)
        assert (await peer.frame()).opcode == CLOSE
        # The client does not answer, and its connection is cut.
        assert await peer.at_end()
        await peer.close()

    async def test_backlog(self, serve: Serve) -> None:
        # The kernel decides how many connections it holds; we only need the smallest number to work.
        server = await serve(backlog=1)
        peers = [await raw_client(server) for _ in range(5)]
        assert len(server.clients) == 5
        for peer in peers:
            await peer.close()
        with pytest.raises(ValueError, match="backlog must be at least 0, not -1"):
            wsrs.WebSocketServer(port=0, backlog=-1)

    async def test_a_headers_listener_may_remove_a_line(self, serve: Serve) -> None:
        server = await serve()

        def headers(lines: list[str], request: Any) -> None:
            lines[:] = [line for line in lines if not line.startswith("Sec-WebSocket-Protocol")]

        server.on("headers", headers)
        peer = await connect(server)
        peer.write(upgrade_request(sec_websocket_protocol="a"))
        assert "sec-websocket-protocol" not in (await peer.head())[1]
        await peer.close()
