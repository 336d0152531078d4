"""`max_connections`: how many WebSockets a server accepts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Serve
from ..peers import Peer, connect, listen, raw_client, upgrade_request, within

pytestmark = pytest.mark.asyncio

FULL = "HTTP/1.1 503 Service Unavailable"


async def first_line(server: Any) -> str:
    """The status line of a server's answer to an upgrade request that it refuses."""
    peer = await connect(server)
    peer.write(upgrade_request())
    line, fields = await peer.head()
    assert fields["connection"] == "close"
    assert await peer.rest() == b"Service Unavailable"
    await peer.close()
    return line


@pytest.mark.parametrize("client_tracking", [True, False])
async def test_a_connection_beyond_the_limit_gets_503_until_another_is_gone(
    serve: Serve, client_tracking: bool
) -> None:
    server = await serve(max_connections=2, client_tracking=client_tracking)
    connections: list[Any] = []
    server.on("connection", lambda ws, request: connections.append(ws))
    peers = [await raw_client(server) for _ in range(2)]
    assert await first_line(server) == FULL
    closed = listen(connections[0], "close")
    peers[0].hang_up()
    await within(closed)
    peers.append(await raw_client(server))
    assert await first_line(server) == FULL
    for ws in connections:
        ws.terminate()
    for peer in peers:
        await peer.close()


async def test_without_max_connections_there_is_no_limit(serve: Serve) -> None:
    for options in ({}, {"maxConnections": 0}):
        server = await serve(**options)
        peers = [await raw_client(server) for _ in range(5)]
        assert len(server.clients) == 5
        for peer in peers:
            await peer.close()


async def test_handshakes_that_wait_for_their_verdict_count_as_connections(serve: Serve) -> None:
    verdicts: asyncio.Queue[Any] = asyncio.Queue()

    def verify(info: Any, decided: Any) -> None:
        verdicts.put_nowait(decided)

    server = await serve(maxConnections=1, verify_client=verify)

    async def ask() -> tuple[Peer, Any]:
        peer = await connect(server)
        peer.write(upgrade_request())
        return peer, await within(verdicts.get())

    refused, decided = await ask()
    assert await first_line(server) == FULL
    with pytest.raises(ValueError, match=r"control character|line|header"):
        decided(False, 403, "no", {"X": "a\r\nb"})  # cannot be sent, so there is no verdict yet
    assert await first_line(server) == FULL
    decided(False, 403)
    assert (await refused.head())[0] == "HTTP/1.1 403 Forbidden"

    accepted, decided = await ask()
    decided(True)
    assert (await accepted.head())[0] == "HTTP/1.1 101 Switching Protocols"
    assert await first_line(server) == FULL
    assert verdicts.empty()  # a client beyond the limit is not verified
    for peer in (refused, accepted):
        await peer.close()


async def test_a_handshake_whose_verdict_is_late_does_not_count(serve: Serve) -> None:
    asked: list[Any] = []
    server = await serve(
        max_connections=1,
        handshake_timeout=0.05,
        verify_client=lambda info, decided: decided(True) if asked else asked.append(decided),
    )
    late = await connect(server)
    late.write(upgrade_request())
    assert (await late.head())[0] == FULL
    await (await raw_client(server)).close()
    await late.close()


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(-1, ValueError, "at least 0, not -1"), (1.5, TypeError, "an int"), (True, TypeError, "an int")],
)
async def test_a_bad_max_connections_is_an_error(value: Any, error: type[Exception], text: str) -> None:
    for name in ("max_connections", "maxConnections"):
        options: Any = {"no_server": True, name: value}
        with pytest.raises(error, match=f"{name} must be {text}"):
            wsrs.WebSocketServer(options)
