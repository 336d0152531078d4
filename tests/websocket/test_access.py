"""The functions by which the package gets at a WebSocket, in each state."""

from __future__ import annotations

import asyncio

import wsrs
from wsrs._websocket.access import closed_error, event_loop, open_connections, transport

from ..conftest import Serve
from ..peers import within


async def test_access_to_a_websocket_works_in_each_state(serve: Serve) -> None:
    server = await serve()
    ws = wsrs.WebSocket(server.url)
    assert event_loop(ws) is asyncio.get_running_loop()
    assert transport(ws) is None
    assert open_connections([ws]) == []
    assert str(closed_error(ws)) == "the WebSocket connection is closing"
    await within(ws.wait_open())
    found = transport(ws)
    assert found is not None
    assert found.get_extra_info("peername")[1] == server.address()["port"]
    assert len(open_connections([ws, ws])) == 2
    ws.close(4000, "bye")
    assert open_connections([ws]) == []
    error = closed_error(ws)
    assert (error.close_code, error.reason, str(error)) == (None, "", "the WebSocket connection is closing")
    await within(ws.wait_closed())
    assert open_connections([ws]) == []
    error = closed_error(ws)
    assert (error.close_code, error.reason) == (4000, "bye")
    assert str(error) == "the WebSocket connection is closed: code 4000, reason 'bye'"
