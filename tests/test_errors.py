"""The exceptions: their messages and their attributes."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import wsrs
from wsrs import ConnectionClosed, HandshakeError, SlowPeer, WebSocketError
from wsrs._client.response_body import Body
from wsrs.errors import HeadError, UpgradeRefused
from wsrs.http import Headers, Response

from .conftest import Reports
from .peers import RawServer, within


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


class Mine(HandshakeError):
    """An error of a program."""

    def __init__(self, where: str) -> None:
        super().__init__(f"not at {where}", status=404, code="MINE")
        self.where = where


ERRORS = [
    WebSocketError("bad", code="WS_ERR_INVALID_UTF8", close_code=1007),
    ConnectionClosed(4000, "bye"),
    ConnectionClosed(None, closing=True),
    SlowPeer(),
    HandshakeError("no", status=503),
    HeadError("bad", 431),
    UpgradeRefused("old", 426, {"Upgrade": "websocket"}),
    Mine("home"),
]


def _pickled(protocol: int, error: object) -> Any:
    return pickle.loads(pickle.dumps(error, protocol))


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {each}": partial(_pickled, each) for each in range(3, pickle.HIGHEST_PROTOCOL + 1)},
}


class TestCopies:
    @pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_a_copy_is_the_same_error(self, error: WebSocketError, copied: Callable[[Any], Any]) -> None:
        twin = copied(error)
        assert type(twin) is type(error)
        assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
        assert vars(twin) == vars(error)

    @pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
    def test_a_copy_keeps_the_timeout_of_a_silent_peer_as_its_cause(
        self, copied: Callable[[Any], Any]
    ) -> None:
        error = ConnectionClosed(1006)
        error.__cause__ = TimeoutError("the peer did not answer")
        twin = copied(error)
        assert isinstance(twin.__cause__, TimeoutError)
        assert str(twin.__cause__) == "the peer did not answer"

    def test_a_cause_that_cannot_be_pickled_does_not_prevent_a_copy(self) -> None:
        error = ConnectionClosed(1006)
        error.__cause__ = RuntimeError(lambda: None)
        assert pickle.loads(pickle.dumps(error)).__cause__ is None

    @pytest.mark.parametrize("copied", [COPIES["deepcopy"], COPIES["pickle 4"]])
    @pytest.mark.parametrize(("length", "is_whole"), [(4, True), (9, False)])
    async def test_a_handshake_error_keeps_the_answer(
        self,
        raw_server: RawServer,
        reports: Reports,
        copied: Callable[[Any], Any],
        length: int,
        is_whole: bool,
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url)
        peer = await raw_server.peer()
        await peer.head()
        head = f"HTTP/1.1 503 Busy\r\nContent-Length: {length}\r\nRetry-After: 7\r\n\r\n"
        peer.write(head.encode() + b"late")
        with pytest.raises(HandshakeError) as raised:
            await within(ws.wait_open())
        for error in (copied(raised.value), copied(copied(raised.value)), raised.value):
            response: Any = error.response
            assert (error.status, str(error)) == (503, "Unexpected server response: 503")
            assert (response.status, response.status_message, response.http_version) == (503, "Busy", "1.1")
            assert response.headers["retry-after"] == "7"
            assert await within(response.read(4)) == b"late"
            if is_whole:
                assert await within(response.read()) == b""
            else:
                with pytest.raises(HandshakeError, match="before the end of the response's body"):
                    await within(response.read())
        await peer.close()

    async def test_a_copy_of_an_answer_whose_body_is_still_to_come_ends_with_an_error(self) -> None:
        headers = Headers([("Content-Length", "4")])
        body = Body(asyncio.get_running_loop(), 200, headers)
        body.feed(b"ab")
        response = copy.copy(Response(200, "OK", headers, "1.1", body))
        assert await response.read(2) == b"ab"
        with pytest.raises(HandshakeError, match="copied before the end"):
            await response.read()
