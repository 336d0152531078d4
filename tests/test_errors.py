"""The exceptions: what they say and what they carry."""

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
def test_a_closed_connection_says_its_code_and_reason(error: ConnectionClosed, text: str) -> None:
    assert str(error) == text
    assert error.code is None


def test_a_slow_peer_has_the_code_with_which_its_connection_may_end() -> None:
    assert (SlowPeer().code, SlowPeer().close_code) == ("WS_ERR_SLOW_PEER", 1013)


def test_a_refused_request_has_what_a_server_answers() -> None:
    assert (HeadError("bad").status, UpgradeRefused("bad").headers) == (400, {})
    refused = UpgradeRefused("old", 426, {"Upgrade": "websocket"})
    assert (refused.status, refused.headers) == (426, {"Upgrade": "websocket"})


def test_each_is_an_error_of_wsrs() -> None:
    for error in (ConnectionClosed(1000), SlowPeer(), HandshakeError("no"), HeadError("no")):
        assert isinstance(error, WebSocketError)
