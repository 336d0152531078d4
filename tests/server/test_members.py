"""`Members`: it counts the WebSockets of a server, with and without `client_tracking`."""

from __future__ import annotations

from typing import Any

import pytest

import wsrs
from wsrs._server.members import Members

from ..conftest import Serve
from ..peers import listen, within


async def test_members_start_empty_and_count_refusals() -> None:
    opened: set[Any] = set()
    left: list[int] = []
    members = Members({"one": 1}, opened, lambda: left.append(len(members)))
    assert members.connection_options == {"one": 1}
    members.refused("path")
    stats = members.stats()
    assert (stats.open, stats.total, stats.refused) == (0, 0, {"path": 1})
    assert (len(members), left) == (0, [])


@pytest.mark.parametrize("tracking", [True, False])
async def test_a_server_counts_websockets_that_open_and_close(serve: Serve, tracking: bool) -> None:
    server = await serve(client_tracking=tracking)
    closed = []
    for _ in range(2):
        came = listen(server, "connection")
        client = wsrs.WebSocket(server.url)
        ws, _ = await within(came)
        closed.append((client, listen(ws, "close")))
        await within(client.wait_open())
    assert (server.stats().open, server.stats().total) == (2, 2)
    assert repr(server).endswith("RUNNING, 2 open>")
    for client, gone in closed:
        client.close(4001)
        assert await within(gone) == (4001, b"")
    stats = server.stats()
    assert (stats.open, stats.total, stats.closes) == (0, 2, {4001: 2})
