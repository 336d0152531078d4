"""The options of `wsrs.uvicorn.protocol`, and those of uvicorn's command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from tests.peers import CLOSE, PING, Peer, close_frame, listen, upgrade_request, within
from wsrs.uvicorn import protocol

from .apps import ACCEPT, Recorded, echo
from .conftest import Serve, until


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_conections": 1}, TypeError, "max_connections"),
        ({"port": 1}, TypeError, "port"),
        ({"max_connections": -1}, ValueError, "max_connections"),
        ({"heartbeat": "1"}, TypeError, "heartbeat"),
        ({"slow_peer": "wait"}, ValueError, "slow_peer"),
        ({"per_message_deflate": {"level": 1}}, TypeError, "level"),
    ],
)
def test_a_bad_option_is_an_error(options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        protocol(**options)


async def test_more_than_max_connections_get_503(serve_asgi: Serve, http: str) -> None:
    running = await serve_asgi(echo, ws=protocol(max_connections=1), http=http)
    async with wsrs.WebSocket(running.url) as ws:
        with pytest.raises(wsrs.HandshakeError) as raised:
            async with wsrs.WebSocket(running.url):
                pass
        assert raised.value.status == 503
        ws.close()
    await until(lambda: not running.server.server_state.connections)
    async with wsrs.WebSocket(running.url) as ws:
        ws.send("room again")
        assert await within(ws.recv()) == "room again"


async def test_two_servers_of_one_class_count_apart(serve_asgi: Serve) -> None:
    ours = protocol(max_connections=1)
    one, two = await serve_asgi(echo, ws=ours), await serve_asgi(echo, ws=ours)
    async with wsrs.WebSocket(one.url) as first, wsrs.WebSocket(two.url) as second:
        for ws in (first, second):
            ws.send("1")
            assert await within(ws.recv()) == "1"


@pytest.mark.parametrize("by", ["uvicorn", "keyword", "mapping"])
async def test_max_payload(serve_asgi: Serve, by: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "uvicorn": {"ws_max_size": 10},
        "keyword": {"ws_max_size": 100, "ws": protocol(max_payload=10)},
        "mapping": {"ws": protocol({"maxPayload": 10})},
    }
    running = await serve_asgi(echo, **ways[by])
    async with wsrs.WebSocket(running.url) as ws:
        closed = listen(ws, "close")
        ws.send("x" * 11)
        assert (await within(closed))[0] == 1009


@pytest_asyncio.fixture
async def peers() -> AsyncIterator[list[Peer]]:
    """Peers that the test has opened."""
    opened: list[Peer] = []
    yield opened
    for peer in opened:
        await peer.close()


@pytest.mark.parametrize("by", ["uvicorn", "option"])
async def test_a_silent_client_is_pinged_and_given_up(serve_asgi: Serve, peers: list[Peer], by: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "uvicorn": {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.05},
        "option": {"ws_ping_interval": None, "ws": protocol(heartbeat=0.05)},
    }
    app = Recorded(ACCEPT)
    running = await serve_asgi(app, **ways[by])
    peers.append(peer := await running.peer())
    peer.write(upgrade_request())
    await peer.head()
    assert (await peer.frame()).opcode == PING
    assert (await peer.frame())[:2] == (CLOSE, (1011).to_bytes(2, "big") + b"keepalive ping timeout")
    await within(app.ended.wait())
    assert app.received[-1]["code"] == 1006


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"ws_ping_interval": None}, None),
        ({"ws_ping_interval": 5.0, "ws_ping_timeout": None}, (5.0, float("inf"))),
        ({"ws_ping_interval": 5.0, "ws_ping_timeout": 7.0}, (5.0, 7.0)),
    ],
)
async def test_the_heartbeat_of_the_command_line(
    serve_asgi: Serve, peers: list[Peer], options: Any, settings: Any
) -> None:
    running = await serve_asgi(echo, **options)
    peers.append(peer := await running.peer())
    peer.write(upgrade_request())
    await peer.head()
    ours = running.protocol()
    assert ours._group.options["heartbeat"] == settings


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "permessage-deflate"),
        ({"ws_per_message_deflate": False}, None),
        ({"ws": protocol(per_message_deflate=False)}, None),
        (
            {"ws": protocol(per_message_deflate={"server_no_context_takeover": True})},
            "permessage-deflate; server_no_context_takeover",
        ),
    ],
)
async def test_compression(
    serve_asgi: Serve, peers: list[Peer], http: str, options: Any, expected: str | None
) -> None:
    running = await serve_asgi(echo, http=http, **options)
    peers.append(peer := await running.peer())
    peer.write(upgrade_request(sec_websocket_extensions="permessage-deflate"))
    _, fields = await peer.head()
    assert fields.get("sec-websocket-extensions") == expected


async def test_close_timeout(serve_asgi: Serve, peers: list[Peer]) -> None:
    running = await serve_asgi(Recorded(ACCEPT, {"type": "websocket.close"}), ws=protocol(close_timeout=0.05))
    peers.append(peer := await running.peer())
    peer.write(upgrade_request())
    await peer.head()
    assert (await peer.frame()).opcode == CLOSE
    assert await peer.at_end()  # without our close frame


async def test_the_timer_of_uvicorns_own_protocols(serve_asgi: Serve, peers: list[Peer]) -> None:
    app = Recorded(ACCEPT, {"type": "websocket.close"})
    running = await serve_asgi(app)
    peers.append(peer := await running.peer())
    peer.write(upgrade_request())
    await peer.head()
    ours = running.protocol()
    await until(lambda: ours.close_timer is not None)
    peer.write(close_frame(1000))
    assert await peer.frame()
    assert await peer.at_end()
    assert ours.close_timer is None
