"""Both spellings of the names of each class, and the names of the module."""

from __future__ import annotations

import pytest

import wsrs
from wsrs._options.spelling import snake_case
from wsrs.http import HttpServer, Request, Response, ServerResponse


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
    def test_members_are_there_in_both_spellings(self, cls: type, names: str) -> None:
        for name in names.split():
            assert hasattr(cls, name), name
            if name not in ("statusCode", "CONNECTING", "OPEN", "CLOSING", "CLOSED"):
                assert hasattr(cls, snake_case(name)), name

    def test_the_constants_of_ws_exist(self) -> None:
        states = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
        assert [getattr(wsrs.WebSocket, name) for name in states] == [0, 1, 2, 3]
        assert [getattr(wsrs, name) for name in states] == [0, 1, 2, 3]
        assert wsrs.Server is wsrs.WebSocketServer
        assert wsrs.createWebSocketStream is wsrs.create_websocket_stream

    def test_every_exported_name_exists(self) -> None:
        assert all(hasattr(wsrs, name) for name in wsrs.__all__)
        assert wsrs.__all__ == sorted(
            wsrs.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
        )
        assert wsrs.backend in ("core", "pure")
