"""Both spellings of names and options, and that neither can drift."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs
from wsrs._options.checks import duration
from wsrs._options.client import CLIENT
from wsrs._options.connection import DEFLATE, SEND, ZLIB_DEFLATE, ZLIB_INFLATE
from wsrs._options.spelling import snake_case
from wsrs._options.table import Option, OptionTable
from wsrs._server.options import SERVER
from wsrs._stream import options as stream_options
from wsrs._typing import options as option_types
from wsrs.http import HttpServer, Request, Response, ServerResponse
from wsrs.http._options import HTTP_SERVER, LISTEN


class TestOptionTables:
    @pytest.mark.parametrize(
        "table",
        [
            SERVER,
            CLIENT,
            DEFLATE,
            ZLIB_DEFLATE,
            ZLIB_INFLATE,
            SEND,
            HTTP_SERVER,
            LISTEN,
            stream_options.STREAM,
        ],
    )
    def test_the_spellings_belong_together(self, table: OptionTable) -> None:
        for row in table.rows:
            assert snake_case(row.ws_name) == row.name
            assert {row.name, row.ws_name} <= table.names

    @pytest.mark.parametrize(
        ("table", "types"),
        [
            (SERVER, option_types.ServerOptions),
            (CLIENT, option_types.ClientOptions),
            (HTTP_SERVER, option_types.HttpServerOptions),
            (LISTEN, option_types.ListenOptions),
            (DEFLATE, option_types.DeflateOptions),
            (SEND, option_types.SendOptions),
            (stream_options.STREAM, stream_options.StreamOptions),
        ],
    )
    def test_type_checkers_know_all_of_them_and_no_others(self, table: OptionTable, types: Any) -> None:
        assert set(types.__annotations__) | _inherited(types) == table.names

    def test_times(self) -> None:
        table = OptionTable("T", [Option("a_time", "aTime", duration, 7.0, time=True)])
        assert table.resolve({"aTime": 1500})["a_time"] == 1.5
        assert table.resolve(None, {"a_time": 1500})["a_time"] == 1500
        assert table.resolve({"a_time": None}) == {"a_time": 7.0}
        assert table.resolve({"aTime": 1}).given == {"a_time"}

    def test_mistakes(self) -> None:
        with pytest.raises(TypeError, match="T: options must be a mapping, not int"):
            OptionTable("T", []).resolve(5)
        with pytest.raises(TypeError, match=r"T: unknown option 'x'$"):
            OptionTable("T", []).resolve({"x": 1})


def _inherited(types: Any) -> set[str]:
    return {
        name for base in getattr(types, "__orig_bases__", ()) for name in getattr(base, "__annotations__", {})
    }


class TestMembers:
    @pytest.mark.parametrize(
        ("cls", "names"),
        [
            (
                wsrs.WebSocket,
                "addEventListener binaryType bufferedAmount close extensions isPaused onclose onerror "
                "onmessage onopen pause ping pong protocol readyState removeEventListener resume send "
                "terminate url on once off emit addListener removeListener prependListener "
                "prependOnceListener listenerCount eventNames rawListeners removeAllListeners "
                "CONNECTING OPEN CLOSING CLOSED",
            ),
            (
                wsrs.WebSocketServer,
                "address clients close handleUpgrade completeUpgrade shouldHandle on once off emit",
            ),
            (wsrs.CloseEvent, "wasClean"),
            (wsrs.Blob, "arrayBuffer slice text size type"),
            (Request, "httpVersion method url headers socket"),
            (Response, "statusCode statusMessage"),
            (ServerResponse, "setHeader writeHead end"),
            (HttpServer, "listen close address on"),
        ],
    )
    def test_in_both_spellings(self, cls: type, names: str) -> None:
        for name in names.split():
            assert hasattr(cls, name), name
            if name not in ("statusCode", "CONNECTING", "OPEN", "CLOSING", "CLOSED"):
                assert hasattr(cls, snake_case(name)), name

    def test_the_constants(self) -> None:
        states = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
        assert [getattr(wsrs.WebSocket, name) for name in states] == [0, 1, 2, 3]
        assert [getattr(wsrs, name) for name in states] == [0, 1, 2, 3]
        assert wsrs.Server is wsrs.WebSocketServer
        assert wsrs.createWebSocketStream is wsrs.create_websocket_stream

    def test_what_is_exported_is_there(self) -> None:
        assert all(hasattr(wsrs, name) for name in wsrs.__all__)
        assert wsrs.__all__ == sorted(
            wsrs.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
        )
        assert wsrs.backend in ("core", "pure")
