"""WebSocket as a client: addresses, the request, the answer, and everything that can go wrong."""

from __future__ import annotations

import base64
import ssl
from typing import Any

import pytest

import wsrs
from wsrs._net.url import join, parse

from ..conftest import Reports
from ..peers import TEXT, RawServer, close_frame, frame, listen, opening, within


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "href", "host", "port", "path", "authority"),
        [
            ("ws://h", "ws://h/", "h", 80, "/", "h"),
            ("WSS://H:443/a?b=c d", "wss://h/a?b=c%20d", "h", 443, "/a?b=c%20d", "h"),
            ("http://h:8080?x", "ws://h:8080/?x", "h", 8080, "/?x", "h:8080"),
            ("https://h", "wss://h/", "h", 443, "/", "h"),
            ("ws://h/a/../b", "ws://h/b", "h", 80, "/b", "h"),
            ("ws://h/../a/b/..?c=/../d", "ws://h/a/?c=/../d", "h", 80, "/a/?c=/../d", "h"),
            ("ws://h/%2E%2e/a/./.../x/.%2e/.", "ws://h/a/.../", "h", 80, "/a/.../", "h"),
            ("ws://h/..", "ws://h/", "h", 80, "/", "h"),
            ("ws://h/a?", "ws://h/a", "h", 80, "/a", "h"),
            ("ws://h#", "ws://h/", "h", 80, "/", "h"),
            ("ws://[::1]:9/ü", "ws://[::1]:9/%C3%BC", "::1", 9, "/%C3%BC", "[::1]:9"),
            ("ws://bücher.example", "ws://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/", None),
        ],
    )
    def test_tcp(self, url: str, href: str, host: str, port: int, path: str, authority: str | None) -> None:
        address = parse(url)
        assert (address.href, address.host, address.port, address.path) == (href, host, port, path)
        assert address.secure == href.startswith("wss:")
        assert address.unix is None
        assert authority is None or address.authority == authority

    @pytest.mark.parametrize(
        ("url", "socket_path", "path"),
        [
            ("ws+unix:/a/b.sock", "/a/b.sock", "/"),
            ("ws+unix:/a/b.sock:/p?q", "/a/b.sock", "/p?q"),
            ("ws+unix:///a/b.sock:/p", "/a/b.sock", "/p"),
            ("ws+unix:/a.sock:?q", "/a.sock", "/?q"),
            ("ws+unix:/a.sock:/x/../y?z=/../", "/a.sock", "/y?z=/../"),
        ],
    )
    def test_unix(self, url: str, socket_path: str, path: str) -> None:
        address = parse(url)
        assert (address.unix, address.path, address.authority) == (socket_path, path, "localhost")

    @pytest.mark.parametrize(
        "url", ["", "h", "ftp://h", "ws:", "ws:h", "ws:///x", "ws://h#f", "ws://h:99999", "ws://h:x",
                "ws+unix:", "ws+unix::/p", "ws://h/\r\nX: y", "ws://a b/", "ws://[::x]/"],
    )  # fmt: skip
    async def test_bad_ones_are_named(self, url: str) -> None:
        with pytest.raises(ValueError, match="URL") as caught:
            wsrs.WebSocket(url)
        assert not url or repr(url)[1:5] in str(caught.value)

    async def test_wrong_types(self) -> None:
        for address in (b"ws://h", 5, ["ws://h"], None):
            with pytest.raises(TypeError, match="the address must be a str or a parsed URL"):
                wsrs.WebSocket(address)  # type: ignore[arg-type]

    def test_credentials_in_the_url(self) -> None:
        assert parse("ws://us%65r:p%40ss@h/").auth == "user:p@ss"

    @pytest.mark.parametrize(
        ("base", "location", "href"),
        [
            ("ws://a/b/c", "/d?e", "ws://a/d?e"),
            ("wss://a/b/c", "d", "wss://a/b/d"),
            ("ws://a/", "http://b:81/x", "ws://b:81/x"),
            ("ws://a/", "wss://b/x", "wss://b/x"),
            ("ws+unix:/s:/a/b", "c", "ws+unix:/s:/a/c"),
            ("ws+unix:/s:/a", "ws://h/", "ws://h/"),
        ],
    )
    def test_redirects_are_joined(self, base: str, location: str, href: str) -> None:
        assert join(parse(base), location).href == href


class TestTheRequest:
    async def test_as_it_is_on_the_wire(self, raw_server: RawServer, reports: Reports) -> None:
        wsrs.WebSocket(
            raw_server.url + "/p?q", ["a", "b"], origin="http://o", headers={"X-A": "1", "x-b": ["2", "3"]}
        )
        first, fields = await (await raw_server.peer()).head()
        assert first == "GET /p?q HTTP/1.1"
        key = fields.pop("sec-websocket-key")
        assert len(base64.b64decode(key)) == 16
        assert fields.pop("sec-websocket-extensions").startswith("permessage-deflate")
        assert fields == {
            "host": f"127.0.0.1:{raw_server.port}",
            "x-a": "1",
            "x-b": "3",
            "sec-websocket-version": "13",
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-protocol": "a,b",
            "origin": "http://o",
        }

    async def test_version_8_without_compression_with_credentials(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        url = raw_server.url.replace("ws://", "ws://me:secret@")
        wsrs.WebSocket(
            url, protocolVersion=8, origin="http://o", perMessageDeflate=False, headers={"Host": "other"}
        )
        _, fields = await (await raw_server.peer()).head()
        assert fields["sec-websocket-version"] == "8"
        assert fields["sec-websocket-origin"] == "http://o"
        assert "origin" not in fields
        assert "sec-websocket-extensions" not in fields
        assert fields["host"] == "other"
        assert base64.b64decode(fields["authorization"].removeprefix("Basic ")) == b"me:secret"

    async def test_protocols_as_an_option(self, raw_server: RawServer, reports: Reports) -> None:
        for given, sent in (("one", "one"), (["one", "two"], "one,two")):
            ws = wsrs.WebSocket(raw_server.url, protocols=given)
            peer = await raw_server.peer()
            _, fields = await peer.head()
            assert fields["sec-websocket-protocol"] == sent
            peer.write(raw_server.answer(fields["sec-websocket-key"], sec_websocket_protocol="one"))
            await within(ws.wait_open())
            assert ws.protocol == "one"

    async def test_finish_request_may_change_and_delay_it(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        requests: list[Any] = []
        ws = wsrs.WebSocket(raw_server.url, finish_request=lambda request, ws: requests.append((request, ws)))
        peer = await raw_server.peer()
        request, same = requests[0]
        assert same is ws
        assert request.getHeader("upgrade") == "websocket"
        request.set_header("X-Late", 1)
        request.end()
        _, fields = await peer.head()
        assert fields["x-late"] == "1"

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"protocol_version": 9}, ValueError, r"9 \(supported versions: 8, 13\)"),
            ({"protocols": ["a", "a"]}, ValueError, "duplicated subprotocol"),
            ({"protocols": ["a b"]}, ValueError, "'a b'"),
            ({"protocols": 5}, TypeError, "protocols must be a str or an iterable of str, not int"),
            ({"protocols": [5]}, TypeError, "not int"),
            ({"headers": {"Upgrade": "x"}}, ValueError, "'Upgrade' is set by the opening handshake"),
            ({"headers": {"X": "a\r\nY: b"}}, ValueError, "control characters"),
            ({"headers": {"X Y": "a"}}, ValueError, "'X Y'"),
            ({"headers": {"X": "€"}}, ValueError, "latin-1"),
            ({"headers": {"X": None}}, TypeError, "NoneType"),
            ({"headers": "X: y"}, TypeError, "headers must be a mapping or pairs"),
            ({"origin": "a\nb"}, ValueError, "origin must not contain control characters"),
            ({"handshake_timeout": "1"}, TypeError, "handshake_timeout must be a number"),
            ({"ssl": ssl.create_default_context()}, ValueError, "ssl has no meaning for 'ws://localhost:1/'"),
            ({"max_redirect": 1}, TypeError, "'max_redirect'.*'max_redirects'"),
            ({"generate_mask": b"1234"}, TypeError, "generate_mask must be callable"),
        ],
    )
    async def test_bad_options_are_named(self, options: Any, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            wsrs.WebSocket("ws://localhost:1", options)

    def test_outside_a_loop(self) -> None:
        with pytest.raises(RuntimeError, match=r"WebSocket.*inside a running event loop"):
            wsrs.WebSocket("ws://localhost:1")


class TestTheAnswer:
    async def test_frames_behind_it_wait_for_open(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        seen: list[Any] = []
        ws.on("message", lambda data, is_binary: seen.append((data, ws.ready_state)))
        ws.on("upgrade", lambda response: seen.append((response.status, ws.ready_state)))
        ws.on("open", lambda: seen.append("open"))
        closed = listen(ws, "close")
        frames = (
            frame(TEXT, b"1", mask=None) + frame(TEXT, b"2", mask=None) + close_frame(4001, b"x", mask=None)
        )
        peer = await raw_server.accept(then=frames)
        answer = await peer.frame()
        assert answer.payload == b"\x0f\xa1x"
        assert answer.masked
        await peer.close()
        assert await within(closed) == (4001, b"x")
        assert seen == [(101, 0), "open", (b"1", 1), (b"2", 1)]

    async def test_interim_responses_are_passed_over(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        peer = await raw_server.peer()
        _, fields = await peer.head()
        peer.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + raw_server.answer(fields["sec-websocket-key"])
        )
        await within(ws.wait_open())

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
    async def test_a_bad_one_is_an_error_and_then_a_close(
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

    @pytest.mark.parametrize("junk", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 20_000])
    async def test_what_is_no_http(self, raw_server: RawServer, reports: Reports, junk: bytes) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        waiting = opening(ws)
        peer = await raw_server.peer()
        await peer.head()
        peer.write(junk)
        with pytest.raises(wsrs.HandshakeError, match=r"[Rr]esponse"):
            await within(waiting)

    async def test_an_early_end(self, raw_server: RawServer, reports: Reports) -> None:
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

    async def test_a_refusal_gives_the_response_with_the_error(
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

    async def test_a_response_of_a_connection_that_its_listener_has_ended(
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

    async def test_without_an_answer_there_is_no_response(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        waiting = opening(wsrs.WebSocket(raw_server.url, handshake_timeout=0.05))
        await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="timed out") as raised:
            await within(waiting)
        assert (raised.value.response, raised.value.status) == (None, None)
