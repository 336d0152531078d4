"""Answers to a client's request as they come over the wire: whole, cut short, or not HTTP at all."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs._options.client import CLIENT

from ..conftest import Reports, Serve
from ..peers import RawServer, listen, opening, port_of, within


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

    @pytest.mark.parametrize(
        ("junk", "why"),
        [
            (b"SSH-2.0-OpenSSH_9.2\r\n", "begins with b'SSH-"),
            (b"foo\r\n", "begins with b'f"),
            (b"\0", "begins with"),
            (b"HTTP/2 200\r\n", "begins with b'HTTP/"),
            (b"HTTP/1.1 abc\r\n", "Invalid HTTP head"),
            (b"HTTP/1.1 103 x\r\n\r\nfoo", "begins with b'f"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "it is TLS, so the address must begin with wss:"),
        ],
    )
    @pytest.mark.parametrize("in_pieces", [False, True])
    async def test_bytes_that_cannot_begin_a_response_fail_at_once(
        self,
        raw_server: RawServer,
        transports: str,
        reports: Reports,
        junk: bytes,
        why: str,
        in_pieces: bool,
    ) -> None:
        waiting = opening(wsrs.WebSocket(raw_server.url, handshake_timeout=0))
        peer = await raw_server.peer()
        await peer.head()
        for piece in [junk[at : at + 4] for at in range(0, len(junk), 4)] if in_pieces else [junk]:
            if not peer.writer.is_closing():  # the first pieces may have been enough
                peer.write(piece)
            await asyncio.sleep(0)
        with pytest.raises(wsrs.HandshakeError, match=f"Invalid server response: .*{why}"):
            await within(waiting)

    async def test_an_answer_that_comes_byte_by_byte(
        self, raw_server: RawServer, transports: str, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        peer = await raw_server.peer()
        _, fields = await peer.head()
        for byte in b"\r\nHTTP/1.1 100 Go on\r\n\r\n" + raw_server.answer(fields["sec-websocket-key"]):
            peer.write(bytes([byte]))
            await asyncio.sleep(0)
        await within(ws.wait_open())

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

    @pytest.mark.parametrize("how", ["hang up", "reset", "abort", "destroy"])
    async def test_a_handshake_left_to_a_listener_ends_with_its_connection(
        self, raw_server: RawServer, reports: Reports, how: str
    ) -> None:
        """In ws nothing ever follows; here tasks may be waiting."""
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        heard = listen(ws, "unexpected_response")
        error, closed = listen(ws, "error"), listen(ws, "close")
        peer = await raw_server.peer()
        await peer.head()
        peer.write(b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nno")
        request, response = await within(heard)
        assert ws.ready_state == wsrs.CONNECTING
        if how == "hang up":
            peer.hang_up()
        elif how == "reset":
            peer.reset()
        elif how == "abort":
            request.abort()
        else:
            request.destroy(KeyError("mine"))
        with pytest.raises((wsrs.HandshakeError, KeyError)) as raised:
            await within(waiting)
        assert await within(error) == (raised.value,)
        assert await within(closed) == (1006, b"")
        if how in ("hang up", "reset"):
            assert isinstance(raised.value, wsrs.HandshakeError)
            assert str(raised.value) == "Unexpected server response: 403"
            assert raised.value.response is response
        elif how == "abort":
            assert "destroyed" in str(raised.value)
        else:
            assert isinstance(raised.value, KeyError)

    async def test_an_error_without_an_answer_has_no_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        waiting = opening(wsrs.WebSocket(raw_server.url, handshake_timeout=0.05))
        await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="timed out") as raised:
            await within(waiting)
        assert (raised.value.response, raised.value.status) == (None, None)

    async def test_a_body_may_take_longer_than_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, handshake_timeout=0.1)
        waiting = opening(ws)
        heard = listen(ws, "unexpected_response")
        peer = await raw_server.peer()
        await peer.head()
        peer.write(b"HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nno")
        _, response = await within(heard)
        await asyncio.sleep(0.2)
        peer.write(b", no")
        assert await within(response.read()) == b"no, no"
        ws.terminate()
        with pytest.raises(wsrs.HandshakeError):
            await within(waiting)


class TestTheWrongScheme:
    @pytest.fixture
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(__file__).parents[1] / "localhost.pem")
        return context

    async def test_ws_to_a_port_with_tls(
        self, serve: Serve, transports: str, context: ssl.SSLContext
    ) -> None:
        server = await serve(ssl=context)
        with pytest.raises(wsrs.HandshakeError, match="If it uses TLS, the address must begin with wss:"):
            await within(wsrs.WebSocket(f"ws://127.0.0.1:{port_of(server)}").wait_open())

    async def test_wss_to_a_port_without_tls(self, serve: Serve, transports: str) -> None:
        server: Any = await serve()
        with pytest.raises(
            ssl.SSLError, match="may not use TLS, and then the address must begin with ws:"
        ) as raised:
            await within(wsrs.WebSocket(f"wss://127.0.0.1:{port_of(server)}").wait_open(), 5)
        assert raised.value.reason == "WRONG_VERSION_NUMBER"


async def test_a_client_waits_ten_seconds_by_default() -> None:
    """Other tests check, with shorter times, that a handshake without an answer ends."""
    assert CLIENT.resolve(None, {})["handshake_timeout"] == 10
    assert CLIENT.resolve({"handshakeTimeout": 0}, {})["handshake_timeout"] == 0
