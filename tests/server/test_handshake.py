"""Upgrade requests that a server refuses: its answers and the reasons in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import answer, connect, raw_client, upgrade_request, within

DEFLATE = "permessage-deflate; server_max_window_bits=7"


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
    async def test_refusals_give_the_reason(
        self, serve: Serve, request_bytes: bytes, first: str, body: str
    ) -> None:
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

    @pytest.mark.parametrize(
        ("target", "path"),
        [
            ("http://localhost/chat", "/chat"),
            ("ws://localhost:80/chat?x=/other", "/chat"),
            ("HTTPS://user@[::1]/chat/more", "/chat/more"),
            ("http://localhost", "/"),
            ("http://localhost?x=1", "/"),
            ("/http://localhost/", "/http://localhost/"),
        ],
    )
    async def test_the_path_may_be_in_a_whole_address(self, serve: Serve, target: str, path: str) -> None:
        seen: list[str] = []
        server = await serve(lambda ws, request: seen.append(request.url), path=path)
        await (await raw_client(server, target)).close()
        assert seen == [target]
        other = await serve(path="/other")
        assert (await answer(other, upgrade_request(target)))[0] == "HTTP/1.1 400 Bad Request"

    @pytest.mark.parametrize("expect", ["100-continue", "x, 100-Continue"])
    async def test_an_upgrade_that_expects_100_continue_gets_it(
        self, serve: Serve, transports: str, expect: str
    ) -> None:
        peer = await connect(await serve())
        peer.write(upgrade_request(expect=expect))
        assert (await peer.head())[0] == "HTTP/1.1 100 Continue"
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    async def test_a_refused_upgrade_that_expects_100_continue_does_not_get_it(self, serve: Serve) -> None:
        request = upgrade_request("/other", expect="100-continue")
        assert (await answer(await serve(path="/"), request))[0] == "HTTP/1.1 400 Bad Request"

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

    async def test_a_should_handle_that_raises_is_reported_and_answered_with_500(
        self, reports: Reports
    ) -> None:
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
    async def test_an_awaitable_should_handle_accepts_no_request(
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

    async def test_a_refusal_arrives_although_frames_follow_the_request(self, serve: Serve) -> None:
        server = await serve(path="/only")
        request = upgrade_request("/other") + b"x" * 200_000
        assert (await answer(server, request))[0] == "HTTP/1.1 400 Bad Request"

    async def test_a_closing_server_answers_503(self, serve: Serve) -> None:
        verdict = asyncio.get_running_loop().create_future()
        server = await serve(verify_client=lambda info, decided: verdict.set_result(decided))
        peer = await connect(server)
        peer.write(upgrade_request())
        decided = await within(verdict)
        server.close()
        decided(True)
        assert (await peer.head())[0] == "HTTP/1.1 503 Service Unavailable"
        await peer.close()


async def test_a_handle_protocols_that_returns_another_type_is_an_error(
    serve: Serve, reports: Reports
) -> None:
    peer = await connect(await serve(handle_protocols=lambda protocols, request: 1))
    peer.write(upgrade_request(sec_websocket_protocol="a"))
    assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
    error = reports.take()["exception"]
    assert str(error) == "handle_protocols must return a str or False, not int"
    await peer.close()


async def test_a_handle_protocols_that_is_a_coroutine_function_is_an_error(
    serve: Serve, reports: Reports
) -> None:
    async def choose(protocols: Any, request: Any) -> str:
        return "a"

    peer = await connect(await serve(handle_protocols=choose))
    peer.write(upgrade_request(sec_websocket_protocol="a"))
    assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
    assert "handle_protocols must decide at once" in str(reports.take()["exception"])
    await peer.close()
