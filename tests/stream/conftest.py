"""Streams for the tests: one over a server's WebSocket, and two that are connected."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs import WebSocket, create_websocket_stream

from ..conftest import Serve
from ..peers import Peer, listen, raw_client, within

Pair = tuple[Any, Peer]


@pytest.fixture
async def pair(serve: Serve) -> Any:
    """A stream over a server's WebSocket, and its client, which speaks bytes."""
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    yield create_websocket_stream(ws), peer
    await peer.close()


async def streams(serve: Serve, **options: Any) -> tuple[Any, Any]:
    """A client's stream and the server's stream of the same connection."""
    server = await serve()
    connection = listen(server, "connection")
    client = create_websocket_stream(WebSocket(server.url), options)
    ws, _ = await within(connection)
    return client, create_websocket_stream(ws, options)
