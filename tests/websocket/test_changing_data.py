"""A message is what its data was when it was sent, whatever the program's own code does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import BINARY, PING, PONG, within


@pytest.mark.parametrize(("how", "opcode"), [("send", BINARY), ("ping", PING), ("pong", PONG)])
@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_generate_mask_may_change_the_data(
    transports: str, raw_server: Any, reports: Reports, how: str, opcode: int, kind: Any
) -> None:
    memory = bytearray(b"as it was")
    data = memory if kind is bytearray else memoryview(memory)

    def generate_mask(mask: bytearray) -> None:
        memory[:] = b"different"

    ws = wsrs.WebSocket(raw_server.url, generate_mask=generate_mask)
    peer = await raw_server.accept()
    await within(ws.wait_open())
    getattr(ws, how)(data)
    sent = await peer.frame()
    assert (sent.opcode, sent.payload) == (opcode, b"as it was")
    assert memory == b"different"
