"""The request of a client: `finish_request`, cancelling, and ending or aborting the request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import CLOSE, RawServer, listen, opening, within


class TestFinishRequest:
    async def test_finish_request_may_be_a_coroutine_function_that_needs_the_socket(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        async def finish(request: Any, ws: wsrs.WebSocket) -> None:
            (transport,) = await listen(request, "socket")
            assert request.socket is transport
            request.set_header("X-From", transport.get_extra_info("sockname")[1])
            request.end()

        ws = wsrs.WebSocket(raw_server.url, finish_request=finish)
        peer = await raw_server.peer()
        _, fields = await peer.head()
        assert int(fields["x-from"]) == peer.writer.get_extra_info("peername")[1]
        peer.write(raw_server.answer(fields["sec-websocket-key"]))
        await within(ws.wait_open())

    @pytest.mark.parametrize("ends", [1, 2])
    async def test_a_request_that_is_ended_in_its_socket_event_is_sent_once(
        self, raw_server: RawServer, transports: str, reports: Reports, ends: int
    ) -> None:
        def finish(request: Any, ws: Any) -> None:
            for _ in range(ends):
                request.on("socket", lambda transport: request.end())

        ws = wsrs.WebSocket(raw_server.url, finish_request=finish)
        peer = await raw_server.accept()
        await within(ws.wait_open())
        ws.close()
        assert (await peer.frame()).opcode == CLOSE
        ws.terminate()
        await within(ws.wait_closed())

    @pytest.mark.parametrize(
        ("method", "error"),
        [
            ("GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ValueError),
            ("G T", ValueError),
            ("", ValueError),
            (1, TypeError),
        ],
    )
    async def test_a_method_is_a_token(
        self, raw_server: RawServer, reports: Reports, method: Any, error: type[Exception]
    ) -> None:
        def finish(request: Any, ws: Any) -> None:
            request.method = method
            request.end()

        with pytest.raises(error, match="the method must"):
            wsrs.WebSocket(raw_server.url, finish_request=finish)

    async def test_a_request_is_sent_as_it_was_when_it_ended(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        def finish(request: Any, ws: Any) -> None:
            request.path = "/before"
            request.end()
            request.path = "/after\r\n"

        ws = wsrs.WebSocket(raw_server.url, finish_request=finish)
        peer = await raw_server.peer()
        assert (await peer.head())[0] == "GET /before HTTP/1.1"
        ws.terminate()
        with pytest.raises(wsrs.HandshakeError):
            await within(ws.wait_open())

    async def test_an_exception_of_finish_request_fails_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        def finish(request: Any, ws: Any) -> None:
            raise LookupError("no token")

        async def finish_later(request: Any, ws: Any) -> None:
            raise LookupError("no token")

        with pytest.raises(LookupError, match="no token"):
            wsrs.WebSocket(raw_server.url, finish_request=finish)
        with pytest.raises(LookupError, match="no token"):
            await within(wsrs.WebSocket(raw_server.url, finish_request=finish_later).wait_open())

    async def test_destroying_the_request_fails_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(
            raw_server.url, finish_request=lambda request, ws: request.destroy(KeyError("gone"))
        )
        with pytest.raises(KeyError, match="gone"):
            await within(ws.wait_open())

    async def test_listeners_added_after_the_request_was_destroyed_get_its_error(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        error = KeyError("gone")
        ws = wsrs.WebSocket(raw_server.url, finish_request=lambda request, ws: request.destroy(error))
        assert ws.ready_state == wsrs.CLOSING
        heard, closed = listen(ws, "error"), listen(ws, "close")
        assert await within(heard) == (error,)
        assert await within(closed) == (1006, b"")


class TestCancelling:
    @pytest.mark.parametrize("connected", [False, True])
    async def test_cancelling_async_with_reports_no_other_error(
        self, raw_server: RawServer, reports: Reports, connected: bool
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        task = asyncio.ensure_future(ws.__aenter__())
        peer = await raw_server.peer() if connected else None
        if peer is None:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await within(ws.wait_closed())
        assert peer is None or b"upgrade" in (await peer.rest_or_reset()).lower()

    async def test_cancelling_wait_open_leaves_the_handshake_alone(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        first, second = opening(ws), opening(ws)
        await asyncio.sleep(0)
        first.cancel()
        await raw_server.accept()
        await within(second)
        assert first.cancelled()
        assert ws.ready_state == wsrs.OPEN


class TestTheRequest:
    async def test_a_request_is_sent_once_and_not_after_its_answer(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        requests: list[Any] = []
        ws = wsrs.WebSocket(
            raw_server.url, finish_request=lambda request, ws: requests.append(request), follow_redirects=True
        )
        first = await raw_server.peer()
        first.write(f"HTTP/1.1 302 Found\r\nLocation: {raw_server.url}/2\r\n\r\n".encode())
        second = await raw_server.peer()
        requests[0].end()
        requests[0].abort()
        requests[1].end()
        requests[1].end()
        line, head = await second.head()
        assert line == "GET /2 HTTP/1.1"
        second.write(raw_server.answer(head["sec-websocket-key"]))
        await within(ws.wait_open())
        requests[1].abort()
        assert ws.ready_state == wsrs.OPEN
        ws.terminate()
        assert await second.rest_or_reset() == b""
        assert await first.rest_or_reset() == b""

    async def test_an_aborted_request_ends_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, finish_request=lambda request, ws: request.abort())
        with pytest.raises(wsrs.HandshakeError, match="was destroyed"):
            await within(ws.wait_open())

    async def test_a_coroutine_function_that_fails_too_late_is_reported(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        gone, done = asyncio.Event(), asyncio.Event()

        async def finish(request: Any, ws: Any) -> None:
            await gone.wait()
            asyncio.get_running_loop().call_soon(done.set)
            raise KeyError("late")

        ws = wsrs.WebSocket(raw_server.url, finish_request=finish)
        ws.on("error", lambda error: gone.set())
        ws.terminate()
        await within(done.wait())
        assert isinstance(reports.take()["exception"], KeyError)

    async def test_an_exception_of_finish_request_after_a_redirect_fails_the_handshake(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        def finish(request: Any, ws: Any) -> None:
            if request.path == "/2":
                raise KeyError("second")
            request.end()

        ws = wsrs.WebSocket(raw_server.url, finish_request=finish, follow_redirects=True)
        peer = await raw_server.peer()
        await peer.head()
        peer.write(f"HTTP/1.1 302 Found\r\nLocation: {raw_server.url}/2\r\n\r\n".encode())
        with pytest.raises(KeyError, match="second"):
            await within(ws.wait_open())

    def test_a_client_given_up_before_the_loop_runs_emits_error_and_then_close(self) -> None:
        loop = asyncio.new_event_loop()
        seen: list[Any] = []

        async def begin() -> wsrs.WebSocket:
            ws = wsrs.WebSocket("ws://127.0.0.1:1")
            ws.on("error", lambda error: seen.append(str(error)))
            ws.on("close", lambda code, reason: seen.append(code))
            return ws

        ws = loop.run_until_complete(begin())
        ws.terminate()
        loop.run_until_complete(within(ws.wait_closed()))
        loop.close()
        assert seen == ["WebSocket was closed before the connection was established", 1006]
