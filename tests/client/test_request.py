"""Options of a client that are refused, and why; `finish_request`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, listen, opening, within


def nothing(*args: Any) -> None:
    """A function for an option."""


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"family": 5}, ValueError, "family must be 0, 4 or 6, not 5"),
            ({"family": "4"}, TypeError, "family must be an int, not str"),
            ({"localAddress": "here"}, ValueError, "localAddress must be an IP address, not 'here'"),
            ({"local_port": 5}, ValueError, "local_port needs local_address"),
            ({"lookup": "x"}, TypeError, "lookup must be callable"),
            ({"agent": True}, TypeError, "agent must be False or have a method create_connection: True"),
            ({"socket": 5}, TypeError, "socket must be a socket or a transport, not int"),
            ({"createConnection": nothing, "proxy": "http://h"}, ValueError, "create_connection cannot be"),
            ({"proxy": "http://h", "lookup": nothing}, ValueError, "lookup has no meaning beside proxy"),
            ({"proxy": 5}, TypeError, "proxy must be a str, not int"),
            ({"proxy": "ftp://me:secret@h"}, ValueError, "the scheme must be one of http, .*, not 'ftp'"),
            ({"proxy": "http://"}, ValueError, "proxy: the URL has no host"),
            ({"proxy": "http://h/x"}, ValueError, "nothing may follow the host and port of 'h'"),
            ({"proxy": "http://h:99999"}, ValueError, "proxy is an invalid URL"),
            ({"rejectUnauthorized": False}, ValueError, "reject_unauthorized has no meaning for 'ws://localhost:1/'"),
            ({"timeout": 5}, TypeError, "option 'timeout' of Node is not taken: handshake_timeout bounds"),
            ({"socketPath": "/x"}, TypeError, "option 'socketPath' of Node .*: the address says it"),
            ({"handshakeTimeOut": 5}, TypeError, "unknown option 'handshakeTimeOut'; .* 'handshake_t"),
            ({"perMessageDeflate": {"serverMaxWindowBits": True}}, TypeError, "serverMaxWindowBits must be"),
        ],
    )  # fmt: skip
    async def test_on_a_plain_address(self, options: Any, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text) as caught:
            wsrs.WebSocket("ws://me:secret@localhost:1", options)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"ssl": ssl.create_default_context(), "ca": "x"}, ValueError, "ca cannot be combined with ssl"),
            ({"key": "x"}, ValueError, "key needs cert"),
            ({"minVersion": "TLSv1.3"}, TypeError, "option 'minVersion' of Node .* give one as ssl"),
            ({"ALPNProtocols": ["x"]}, TypeError, "option 'ALPNProtocols' of Node .* give one as ssl"),
            ({"passphrase": "x"}, ValueError, "passphrase needs cert"),
            ({"passphrase": 5, "cert": "x"}, TypeError, "passphrase must be a str or bytes, not int"),
            ({"ca": 5}, TypeError, "ca must be a PEM text or a path, not int"),
            ({"ca": ["/none", 5]}, TypeError, "ca must be a PEM text or a path, not int"),
            ({"cert": ""}, ValueError, "cert must not be empty"),
            ({"ca": "/none/at/all"}, FileNotFoundError, "No such file"),
            ({"ca": "-----BEGIN CERTIFICATE-----"}, ssl.SSLError, None),
            ({"servername": ""}, ValueError, "servername must be a host name, not ''"),
            ({"rejectUnauthorized": 0}, TypeError, "rejectUnauthorized must be a bool, not int"),
        ],
    )
    async def test_on_a_secure_address(self, options: Any, error: type[Exception], text: str | None) -> None:
        with pytest.raises(error, match=text):
            wsrs.WebSocket("wss://localhost:1", options)

    async def test_on_a_unix_socket(self) -> None:
        with pytest.raises(ValueError, match=r"proxy has no meaning for 'ws\+unix:/a:/'"):
            wsrs.WebSocket("ws+unix:/a:/", proxy="socks5://h")

    async def test_a_socket_cannot_follow_redirects(self) -> None:
        with socket.socket() as sock, pytest.raises(ValueError, match="it serves one request"):
            wsrs.WebSocket("ws://h", socket=sock, follow_redirects=True)
        with (
            socket.socket(type=socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match="a stream socket"),
        ):
            wsrs.WebSocket("ws://h", socket=sock)

    async def test_protocols_given_twice(self) -> None:
        with pytest.raises(TypeError, match="'protocols' is given twice"):
            wsrs.WebSocket("ws://h", ["a"], protocols=["b"])


class TestAddresses:
    async def test_a_parsed_one(self, raw_server: RawServer, reports: Reports) -> None:
        class Url:
            """As `yarl.URL` reads."""

            def human_repr(self) -> str:
                return "not this"

            def __str__(self) -> str:
                return raw_server.url

        for address in (urlsplit(raw_server.url), Url()):
            ws = wsrs.WebSocket(address)
            await raw_server.accept()
            await within(ws.wait_open())
            assert ws.url == raw_server.url + "/"


class TestFinishRequest:
    async def test_as_a_coroutine_function_that_needs_the_socket(
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

    async def test_what_it_raises(self, raw_server: RawServer, reports: Reports) -> None:
        def finish(request: Any, ws: Any) -> None:
            raise LookupError("no token")

        async def finish_later(request: Any, ws: Any) -> None:
            raise LookupError("no token")

        with pytest.raises(LookupError, match="no token"):
            wsrs.WebSocket(raw_server.url, finish_request=finish)
        with pytest.raises(LookupError, match="no token"):
            await within(wsrs.WebSocket(raw_server.url, finish_request=finish_later).wait_open())

    async def test_destroying_the_request(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(
            raw_server.url, finish_request=lambda request, ws: request.destroy(KeyError("gone"))
        )
        with pytest.raises(KeyError, match="gone"):
            await within(ws.wait_open())

    async def test_destroying_it_at_once_is_told_to_listeners_that_are_added_then(
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
    async def test_the_entry_tells_nobody_else(
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

    async def test_a_wait_leaves_the_handshake_alone(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        first, second = opening(ws), opening(ws)
        await asyncio.sleep(0)
        first.cancel()
        await raw_server.accept()
        await within(second)
        assert first.cancelled()
        assert ws.ready_state == wsrs.OPEN


class TestWhatIsWrongWithOptions:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"local_address": 127}, "local_address must be a str, not int"),
            ({"servername": 1}, "servername must be a str, not int"),
            ({"headers": {1: "x"}}, "the name of a header must be a str, not int"),
            ({"headers": "Cookie: a"}, "headers must be a mapping or pairs, not str"),
            ({"headers": [("a", "b", "c")]}, r"headers must be a mapping or pairs, not \('a', 'b', 'c'\)"),
        ],
    )
    async def test_types_are_named(self, options: Any, text: str) -> None:
        with pytest.raises(TypeError, match=text):
            wsrs.WebSocket("wss://localhost:1", **options)


class TestTheRequest:
    async def test_ended_twice_is_sent_once_and_an_answered_one_not_at_all(
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

    async def test_aborted(self, raw_server: RawServer, reports: Reports) -> None:
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

    async def test_what_finish_request_raises_after_a_redirect_is_an_error(
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

    def test_given_up_while_the_loop_stands_still(self) -> None:
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

    async def test_one_without_an_address_can_be_closed(self, reports: Reports) -> None:
        """As `new WebSocket(null)`: a server's, before its handshake is complete."""
        ws: Any = wsrs.WebSocket(None, None, {"close_timeout": 0})  # type: ignore[arg-type]
        heard, closed = listen(ws, "error"), listen(ws, "close")
        ws.close()
        assert ws.ready_state == wsrs.CLOSING
        (error,) = await within(heard)
        assert isinstance(error, wsrs.HandshakeError)
        assert await within(closed) == (1006, b"")
