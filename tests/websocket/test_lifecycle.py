"""A loop that ends while connections are open leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import wsrs

from ..peers import within

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts /proc/self/fd")


async def leave_open(kept: list[weakref.ref[Any]]) -> None:
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    await within(server.wait_listening())
    address = server.address()
    assert isinstance(address, dict)
    came: asyncio.Future[wsrs.WebSocket] = asyncio.get_running_loop().create_future()
    server.on("connection", lambda ws, request: came.set_result(ws))
    client = wsrs.WebSocket(f"ws://127.0.0.1:{address['port']}")
    await within(client.wait_open())
    kept += [weakref.ref(client), weakref.ref(await within(came)), weakref.ref(server)]


def test_a_loop_that_ends_with_open_connections_leaks_nothing(collect: Callable[[], int]) -> None:
    kept: list[weakref.ref[Any]] = []
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the listening socket was left open on purpose
        for _ in range(3):
            asyncio.run(leave_open(kept))
        collect()
        collect()
    assert [reference() for reference in kept] == [None] * 9
    assert len(os.listdir("/proc/self/fd")) == before
