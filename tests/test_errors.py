"""The exceptions: their messages and their attributes."""

from __future__ import annotations

import pytest

from wsrs import ConnectionClosed, HandshakeError, SlowPeer, WebSocketError
from wsrs.errors import HeadError, UpgradeRefused


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionClosed(1000), "the WebSocket connection is closed: code 1000"),
        (ConnectionClosed(4000, "bye"), "the WebSocket connection is closed: code 4000, reason 'bye'"),
        (ConnectionClosed(None, closing=True), "the WebSocket connection is closing"),
    ],
)
def test_the_error_of_a_closed_connection_has_its_code_and_reason(error: ConnectionClosed, text: str) -> None:
    assert str(error) == text
    assert error.code is None


def test_the_error_of_a_slow_peer_has_the_code_1013() -> None:
    assert (SlowPeer().code, SlowPeer().close_code) == ("WS_ERR_SLOW_PEER", 1013)


def test_the_error_of_a_refused_request_has_the_servers_answer() -> None:
    assert (HeadError("bad").status, UpgradeRefused("bad").headers) == (400, {})
    refused = UpgradeRefused("old", 426, {"Upgrade": "websocket"})
    assert (refused.status, refused.headers) == (426, {"Upgrade": "websocket"})


def test_each_exception_is_a_websocket_error() -> None:
    for error in (ConnectionClosed(1000), SlowPeer(), HandshakeError("no"), HeadError("no")):
        assert isinstance(error, WebSocketError)
