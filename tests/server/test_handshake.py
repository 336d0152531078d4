"""What a server answers to a request that becomes no WebSocket, and to heads that are none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import connect, raw_client, upgrade_request, within

DEFLATE = "permessage-deflate; server_max_window_bits=7"


async def answer(server: Any, request: bytes) -> tuple[str, dict[str, str], str]:
    """First line, header fields and body of the answer to a request."""
    peer = await connect(server)
    peer.write(request)
    first, fields = await peer.head()
    body = (await peer.rest()).decode()
    assert len(body.encode()) == int(fields["content-length"])
    assert "close" in fields["connection"].lower()
    await peer.close()
    return first, fields, body


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_bytes", "first", "body"),
        [
            (upgrade_request(method="POST"), "405 Method Not Allowed", "Invalid HTTP method"),
            (upgrade_request(upgrade="foo"), "400 Bad Request", "Invalid Upgrade header"),
            (
                upgrade_request(without=("sec-websocket-key",)),
                "400 Bad Request",
                "Missing or invalid Sec-WebSocket-Key header",
            ),
            (
                upgrade_request(sec_websocket_key="short"),
                "400 Bad Request",
                "Missing or invalid Sec-WebSocket-Key header",
            ),
            (
                upgrade_request(sec_websocket_version="12"),
                "400 Bad Request",
                "Missing or invalid Sec-WebSocket-Version header",
            ),
            (
                upgrade_request(sec_websocket_protocol="a,a"),
                "400 Bad Request",
                "Invalid Sec-WebSocket-Protocol header",
            ),
            (
                upgrade_request(sec_websocket_extensions=DEFLATE),
                "400 Bad Request",
                "Invalid or unacceptable Sec-WebSocket-Extensions header",
            ),
            (upgrade_request("/other"), "400 Bad Request", "Bad Request"),
        ],
    )
    async def test_say_why(self, serve: Serve, request_bytes: bytes, first: str, body: str) -> None:
        server = await serve(path="/", per_message_deflate=True)
        line, fields, text = await answer(server, request_bytes)
        assert (line, text) == (f"HTTP/1.1 {first}", body)
        assert fields["content-type"] == "text/html"
        if "version" in body.lower():
            assert fields["sec-websocket-version"] == "13, 8"
        assert server.clients == set()

    async def test_the_path_may_have_a_query(self, serve: Serve) -> None:
        server = await serve(path="/chat")
        await (await raw_client(server, "/chat?x=1")).close()

    async def test_extensions_do_not_matter_when_compression_is_off(self, serve: Serve) -> None:
        peer = await raw_client(await serve(), sec_websocket_extensions=DEFLATE)
        await peer.close()

    async def test_ws_client_error_owns_the_socket(self, serve: Serve) -> None:
        server = await serve()

        def refused(error: Exception, transport: asyncio.Transport, request: Any) -> None:
            seen.append((type(error), str(error), request.method))
            transport.write(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            transport.close()

        seen: list[Any] = []
        server.on("wsClientError", refused)
        assert (await answer(server, upgrade_request(method="PUT")))[0] == "HTTP/1.1 418 Teapot"
        assert seen == [(wsrs.HandshakeError, "Invalid HTTP method", "PUT")]

    async def test_should_handle_can_be_overridden(self, reports: Reports) -> None:
        class Picky(wsrs.WebSocketServer):
            def shouldHandle(self, request: Any) -> bool:
                return "token=good" in request.url

        async with Picky(port=0, host="127.0.0.1") as server:
            assert (await answer(server, upgrade_request("/?token=bad")))[0] == "HTTP/1.1 400 Bad Request"
            await (await raw_client(server, "/?token=good")).close()

    async def test_should_handle_that_raises(self, reports: Reports) -> None:
        class Broken(wsrs.WebSocketServer):
            def should_handle(self, request: Any) -> bool:
                raise KeyError("should_handle")

        async with Broken(port=0, host="127.0.0.1") as server:
            line, _, _ = await answer(server, upgrade_request())
        assert line == "HTTP/1.1 500 Internal Server Error"
        context = reports.take()
        assert isinstance(context["exception"], KeyError)
        assert "should_handle" in context["message"]

    @pytest.mark.parametrize("is_future", [False, True], ids=["coroutine", "future"])
    async def test_should_handle_that_is_awaitable_lets_nobody_in(
        self, reports: Reports, is_future: bool
    ) -> None:
        async def no() -> bool:
            return False

        answers: list[asyncio.Future[bool]] = []

        class Later(wsrs.WebSocketServer):
            def should_handle(self, request: Any) -> Any:
                if not is_future:
                    return no()
                answers.append(asyncio.ensure_future(no()))
                return answers[0]

        async with Later(port=0, host="127.0.0.1") as server:
            line, _, _ = await answer(server, upgrade_request())
        assert line == "HTTP/1.1 500 Internal Server Error"
        assert "should_handle must decide at once" in str(reports.take()["exception"])
        assert await asyncio.gather(*answers) == [False] * is_future

    async def test_a_refusal_arrives_although_frames_came_too(self, serve: Serve) -> None:
        server = await serve(path="/only")
        request = upgrade_request("/other") + b"x" * 200_000
        assert (await answer(server, request))[0] == "HTTP/1.1 400 Bad Request"

    async def test_503_while_closing(self, serve: Serve) -> None:
        verdict = asyncio.get_running_loop().create_future()
        server = await serve(verify_client=lambda info, decided: verdict.set_result(decided))
        peer = await connect(server)
        peer.write(upgrade_request())
        decided = await within(verdict)
        server.close()
        decided(True)
        assert (await peer.head())[0] == "HTTP/1.1 503 Service Unavailable"
        await peer.close()


class TestHeads:
    async def test_a_plain_request_gets_426(self, serve: Serve) -> None:
        line, fields, body = await answer(await serve(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (line, body) == ("HTTP/1.1 426 Upgrade Required", "Upgrade Required")
        assert fields["upgrade"] == "websocket"
        assert fields["content-type"] == "text/plain"

    @pytest.mark.parametrize("without", ["upgrade", "connection"])
    async def test_so_does_one_that_asks_for_no_upgrade(self, serve: Serve, without: str) -> None:
        assert (await answer(await serve(), upgrade_request(without=(without,))))[0].endswith(
            "426 Upgrade Required"
        )

    async def test_byte_by_byte(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        for byte in upgrade_request(connection="keep-alive, Upgrade"):
            peer.write(bytes([byte]))
            await peer.writer.drain()
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    @pytest.mark.parametrize(
        "junk", [b"GET /\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nX\r\n\r\n"]
    )
    async def test_what_is_no_http(self, serve: Serve, junk: bytes) -> None:
        assert (await answer(await serve(), junk))[0] == "HTTP/1.1 400 Bad Request"

    async def test_too_long(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        peer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000)
        assert (await peer.head())[0] == "HTTP/1.1 431 Request Header Fields Too Large"
        await peer.close()
        server = await serve(max_header_bytes=200)
        assert (await answer(server, upgrade_request(x="y" * 200)))[0].startswith("HTTP/1.1 431")

    async def test_too_many(self, serve: Serve) -> None:
        server = await serve(maxHeaders=10)
        many: dict[str, Any] = {f"x{number}": "1" for number in range(6)}
        assert (await answer(server, upgrade_request(**many)))[0].startswith("HTTP/1.1 431")
        await (await raw_client(server, x1="1")).close()

    async def test_the_deadline(self, serve: Serve) -> None:
        server = await serve(handshake_timeout=0.05)
        slow, silent = await connect(server), await connect(server)
        slow.write(b"GET / HT")
        assert (await slow.head())[0] == "HTTP/1.1 408 Request Timeout"
        assert await silent.at_end()
        ws = await raw_client(server)
        await slow.close()
        await silent.close()
        await ws.close()

    async def test_each_has_its_own_deadline(self, serve: Serve) -> None:
        loop = asyncio.get_running_loop()
        server = await serve(handshake_timeout=0.3)
        ws = await connect(server)
        await asyncio.sleep(0.15)  # half of the first one's time
        late, began = await connect(server), loop.time()
        ws.write(upgrade_request())
        assert (await ws.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert await late.at_end()
        assert loop.time() - began > 0.25
        await ws.close()
        await late.close()

    async def test_a_client_that_leaves(self, serve: Serve) -> None:
        server = await serve()
        for cut in (0, 10):
            peer = await connect(server)
            peer.write(upgrade_request()[:cut])
            await peer.close()
        reset = await connect(server)
        reset.write(upgrade_request()[:30])
        reset.reset()
        await (await raw_client(server)).close()

    async def test_a_body_is_never_a_request(self, serve: Serve, reports: Reports) -> None:
        error = asyncio.get_running_loop().create_future()
        server = await serve(lambda ws, request: ws.on("error", error.set_result))
        peer = await connect(server)
        peer.write(upgrade_request() + b"GET /second HTTP/1.1\r\n\r\n")
        assert (await within(error)).code.startswith("WS_ERR")
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert b"HTTP" not in await peer.rest()
        await peer.close()
