"""Answers to a client's request as they come over the wire: whole, cut short, or not HTTP at all."""

from __future__ import annotations

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, listen, opening, within


class TestTheAnswer:
    async def test_interim_responses_are_skipped(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        peer = await raw_server.peer()
        _, fields = await peer.head()
        peer.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + raw_server.answer(fields["sec-websocket-key"])
        )
        await within(ws.wait_open())

    @pytest.mark.parametrize("junk", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 20_000])
    async def test_an_answer_that_is_not_http_is_an_error(
        self, raw_server: RawServer, reports: Reports, junk: bytes
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        peer = await raw_server.peer()
        await peer.head()
        peer.write(junk)
        with pytest.raises(wsrs.HandshakeError, match=r"[Rr]esponse"):
            await within(waiting)

    async def test_a_connection_that_ends_before_its_answer_is_an_error(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        await (await raw_server.peer()).close()
        with pytest.raises((wsrs.HandshakeError, ConnectionError)):
            await within(waiting)

    async def test_unexpected_response_gives_the_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        heard = listen(ws, "unexpected_response")
        peer = await raw_server.peer()
        await peer.head()
        peer.write(b"HTTP/1.1 403 No Way\r\nContent-Length: 4\r\nX: y\r\n\r\nbo")
        request, response = await within(heard)
        assert (request.method, response.status, response.statusMessage, response.headers["x"]) == (
            "GET", 403, "No Way", "y",
        )  # fmt: skip
        peer.write(b"dy, and more")
        assert await within(response.read()) == b"body"
        assert ws.ready_state == wsrs.CONNECTING
        ws.terminate()
        with pytest.raises(wsrs.HandshakeError, match="closed before the connection was established"):
            await within(waiting)
        assert await peer.at_end()

    async def test_the_error_of_a_refusal_has_the_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        async def refused(answer: bytes) -> wsrs.http.Response:
            waiting = opening(wsrs.WebSocket(raw_server.url))
            peer = await raw_server.peer()
            await peer.head()
            peer.write(answer)
            with pytest.raises(wsrs.HandshakeError, match="Unexpected server response: 429") as raised:
                await within(waiting)
            await peer.close()
            assert raised.value.response is not None
            return raised.value.response

        head = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n"
        whole = await refused(head + b"wait")
        assert (whole.status, whole.status_message, whole.headers["retry-after"]) == (429, "Too Many", "7")
        assert await within(whole.read()) == b"wait"
        cut = await refused(head + b"wa")
        assert await within(cut.read(2)) == b"wa"
        with pytest.raises(wsrs.HandshakeError, match="closed before the end of the response's body"):
            await within(cut.read())

    async def test_a_listener_may_end_the_connection_and_keep_the_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        heard = listen(ws, "unexpected-response")
        ws.on("unexpected-response", lambda request, response: ws.terminate())
        ws.on("error", lambda error: None)
        peer = await raw_server.peer()
        await peer.head()
        peer.write(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        _, response = await within(heard)
        assert await within(response.read()) == b"no"
        await within(ws.wait_closed())

    async def test_an_error_without_an_answer_has_no_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        waiting = opening(wsrs.WebSocket(raw_server.url, handshake_timeout=0.05))
        await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="timed out") as raised:
            await within(waiting)
        assert (raised.value.response, raised.value.status) == (None, None)
