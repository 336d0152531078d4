"""Which answers of a server a client accepts (RFC 6455 section 4.1)."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, listen, opening, within


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"without": ("upgrade",)}, "Invalid Upgrade header"),
            ({"upgrade": "foo"}, "Invalid Upgrade header"),
            ({"without": ("connection",)}, "Invalid Connection header"),
            ({"sec_websocket_accept": "x"}, "Invalid Sec-WebSocket-Accept header"),
            ({"without": ("sec-websocket-accept",)}, "Invalid Sec-WebSocket-Accept header"),
            ({"sec_websocket_protocol": "a"}, "Server sent a subprotocol but none was requested"),
            ({"sec_websocket_extensions": "foo"}, "Server indicated an extension that was not requested"),
            ({"sec_websocket_extensions": ","}, "Invalid Sec-WebSocket-Extensions header"),
            (
                {"sec_websocket_extensions": "permessage-deflate; foo"},
                "Invalid Sec-WebSocket-Extensions header",
            ),
            ({"status": "200 OK"}, "Unexpected server response: 200"),
            ({"status": "401 Unauthorized"}, "Unexpected server response: 401"),
        ],
    )
    async def test_a_bad_answer_is_an_error_and_then_a_close(
        self, raw_server: RawServer, reports: Reports, change: Any, text: str
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        events: list[Any] = []
        ws.on("error", events.append)
        closed = listen(ws, "close")
        peer = await raw_server.peer()
        _, fields = await peer.head()
        peer.write(raw_server.answer(fields["sec-websocket-key"], **change))
        assert await within(closed) == (1006, b"")
        (error,) = events
        assert isinstance(error, wsrs.HandshakeError)
        assert str(error) == text
        assert error.status == int(change.get("status", "101")[:3])
        assert error.response is not None
        assert error.response.status == error.status
        assert ws.ready_state == wsrs.CLOSED
        assert await peer.at_end()

    @pytest.mark.parametrize(
        ("protocols", "answer", "text"),
        [
            (["a"], {}, "Server sent no subprotocol"),
            (["a"], {"sec_websocket_protocol": "b"}, "Server sent an invalid subprotocol"),
        ],
    )
    async def test_subprotocols(
        self, raw_server: RawServer, reports: Reports, protocols: list[str], answer: Any, text: str
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, protocols)
        waiting = opening(ws)
        await raw_server.accept(**answer)
        with pytest.raises(wsrs.HandshakeError, match=text):
            await within(waiting)

    async def test_an_extension_that_was_not_offered(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url, per_message_deflate=False)
        waiting = opening(ws)
        await raw_server.accept(sec_websocket_extensions="permessage-deflate")
        with pytest.raises(wsrs.HandshakeError, match="no extension was requested"):
            await within(waiting)
