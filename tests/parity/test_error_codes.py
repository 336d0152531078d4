"""Each error code of ws: its cause, the `'error'` event, the close frame and the `'close'` event."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import wsrs

from ..peers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    TEXT,
    close_frame,
    frame,
    listen,
    within,
)
from .conftest import MakePair, Side

TOO_LONG_FOR_JAVASCRIPT = b"\x82\xff" + struct.pack("!Q", 2**53) + MASK
FRAGMENTS = frame(BINARY, b"a", fin=False) + 3 * frame(CONTINUATION, b"b", fin=False)

OF_A_CLIENT: list[tuple[str, int, bytes, dict[str, Any]]] = [
    ("WS_ERR_EXPECTED_FIN", 1002, frame(PING, fin=False), {}),
    ("WS_ERR_EXPECTED_MASK", 1002, frame(TEXT, b"x", mask=None), {}),
    ("WS_ERR_INVALID_CLOSE_CODE", 1002, close_frame(1005), {}),
    ("WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", 1002, frame(PING, b"x" * 126), {}),
    ("WS_ERR_INVALID_OPCODE", 1002, frame(3), {}),
    ("WS_ERR_INVALID_UTF8", 1007, frame(TEXT, b"\xff"), {}),
    ("WS_ERR_INVALID_UTF8", 1007, close_frame(1000, b"\xff"), {}),
    ("WS_ERR_UNEXPECTED_RSV_1", 1002, frame(TEXT, b"x", rsv=0x40), {}),
    ("WS_ERR_UNEXPECTED_RSV_2_3", 1002, frame(TEXT, b"x", rsv=0x20), {}),
    ("WS_ERR_UNEXPECTED_RSV_2_3", 1002, frame(TEXT, b"x", rsv=0x10), {}),
    ("WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", 1009, TOO_LONG_FOR_JAVASCRIPT, {}),
    ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009, frame(BINARY, b"x" * 11), {"max_payload": 10}),
    ("WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008, FRAGMENTS, {"max_fragments": 3}),
]
OF_A_SERVER: list[tuple[str, int, bytes, dict[str, Any]]] = [
    ("WS_ERR_UNEXPECTED_MASK", 1002, frame(TEXT, b"x"), {}),
    ("WS_ERR_INVALID_OPCODE", 1002, frame(11, mask=None), {}),
    ("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009, frame(TEXT, b"xx", mask=None), {"maxPayload": 1}),
]


async def ends_with(
    make_pair: MakePair, side: Side, code: str, close_code: int, sent: bytes, options: dict[str, Any]
) -> None:
    ws, peer, *_ = await make_pair(side, **options)
    failed, closed = listen(ws, "error"), listen(ws, "close")
    peer.write(sent)
    (error,) = await within(failed)
    assert isinstance(error, wsrs.WebSocketError)
    assert (error.code, error.close_code) == (code, close_code)
    assert (await peer.frame())[:2] == (CLOSE, struct.pack("!H", close_code))
    peer.hang_up()
    assert await within(closed) == (1006, b"")


class TestErrorCodes:
    @pytest.mark.parametrize(("code", "close_code", "sent", "options"), OF_A_CLIENT)
    async def test_a_fault_of_a_client_has_its_error_and_close_codes(
        self, make_pair: MakePair, code: str, close_code: int, sent: bytes, options: dict[str, Any]
    ) -> None:
        await ends_with(make_pair, "server", code, close_code, sent, options)

    @pytest.mark.parametrize(("code", "close_code", "sent", "options"), OF_A_SERVER)
    async def test_a_fault_of_a_server_has_its_error_and_close_codes(
        self, make_pair: MakePair, code: str, close_code: int, sent: bytes, options: dict[str, Any]
    ) -> None:
        await ends_with(make_pair, "client", code, close_code, sent, options)
