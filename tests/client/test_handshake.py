"""The handshake of a client: the request that it sends, its options, and frames right behind the answer."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import TEXT, RawServer, close_frame, frame, listen, within


class TestTheRequest:
    async def test_the_request_as_it_is_on_the_wire(self, raw_server: RawServer, reports: Reports) -> None:
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
    async def test_frames_behind_the_answer_wait_for_open(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
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
