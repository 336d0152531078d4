"""`wsrs.uvicorn`: its scope, its refusals and its log, on each of uvicorn's HTTP implementations."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs.uvicorn import WSProtocol

from .asgi.apps import ACCEPT, Recorded, echo
from .asgi.conftest import Message, Receive, Send, Serve, http, serve_asgi, until
from .peers import TEXT, Peer, frame, listen, upgrade_request, within

__all__ = ["http", "serve_asgi"]

CERTIFICATE = Path(__file__).with_name("localhost.pem")
TLS = {"ssl_certfile": str(CERTIFICATE), "ssl_keyfile": str(CERTIFICATE)}


class Kept:
    """An application that keeps its scope, and accepts."""

    def __init__(self) -> None:
        self.scopes: list[Message] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await send({**ACCEPT, "subprotocol": scope["subprotocols"][-1] if scope["subprotocols"] else None})
        await receive()
        await receive()


async def test_the_scope(serve_asgi: Serve, http: str) -> None:
    app = Kept()
    running = await serve_asgi(app, http=http, root_path="/api")
    url = f"{running.url}/a%20b/%C3%BC?x=%201&y"
    async with wsrs.WebSocket(url, ["one", "two"], headers={"X-Name": "Value"}) as ws:
        await ws.wait_open()
    (scope,) = app.scopes
    headers = dict(scope.pop("headers"))
    assert headers[b"x-name"] == b"Value"
    host, _ = scope.pop("client")
    assert host == "127.0.0.1"
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", running.port),
        "root_path": "/api",
        "path": "/api/a b/ü",
        "raw_path": b"/api/a%20b/%C3%BC",
        "query_string": b"x=%201&y",
        "subprotocols": ["one", "two"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


async def test_each_connection_has_a_copy_of_the_state(serve_asgi: Serve) -> None:
    seen: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["shared"] = "from the start"
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append(dict(scope["state"]))
        scope["state"]["shared"] = "changed"
        await send({"type": "websocket.close"})

    running = await serve_asgi(app, lifespan="on")
    for _ in range(2):
        with pytest.raises(wsrs.HandshakeError):
            async with wsrs.WebSocket(running.url):
                pass
    assert seen == [{"shared": "from the start"}] * 2


async def test_tls(serve_asgi: Serve, http: str) -> None:
    app = Kept()
    running = await serve_asgi(app, http=http, **TLS)
    async with wsrs.WebSocket(f"wss://localhost:{running.port}", ca=CERTIFICATE, family=4) as ws:
        await ws.wait_open()
    assert app.scopes[0]["scheme"] == "wss"


async def test_messages_under_tls(serve_asgi: Serve, http: str) -> None:
    running = await serve_asgi(echo, http=http, **TLS)
    async with wsrs.WebSocket(f"wss://localhost:{running.port}", ca=CERTIFICATE, family=4) as ws:
        for data in ("text", b"x" * 300_000):
            ws.send(data)
            assert await within(ws.recv()) == data
        closed = listen(ws, "close")
        ws.close(1000)
        assert await within(closed) == (1000, b"")


async def test_a_client_that_breaks_off_under_tls_before_the_decision(serve_asgi: Serve) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass
        ended.set()

    running = await serve_asgi(app, **TLS)
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    opened = asyncio.open_connection("127.0.0.1", running.port, ssl=context, server_hostname="localhost")
    peer = Peer(*await within(opened))
    peer.write(upgrade_request())
    await within(started.wait())
    peer.reset()
    await within(ended.wait())


async def test_what_follows_a_denial_is_dropped(serve_asgi: Serve) -> None:
    go_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 404})
        await send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await go_on.wait()

    seen: list[bytes] = []

    class Seen(WSProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen.append(data)

    running = await serve_asgi(app, ws=Seen)
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    peer.write(frame(TEXT, b"early"))
    await until(lambda: len(seen) == 2)
    go_on.set()
    assert await peer.rest() == b"a"
    await peer.close()


@pytest.mark.parametrize(
    ("request_", "status", "field"),
    [
        (upgrade_request(without=("sec-websocket-key",)), "400 Bad Request", None),
        (upgrade_request(sec_websocket_version="99"), "400 Bad Request", "sec-websocket-version"),
        (upgrade_request(sec_websocket_protocol="a, a"), "400 Bad Request", None),
        (upgrade_request(sec_websocket_key="short"), "400 Bad Request", None),
    ],
)
async def test_a_request_that_is_no_handshake(
    serve_asgi: Serve, http: str, request_: bytes, status: str, field: str | None
) -> None:
    app = Recorded()
    running = await serve_asgi(app, http=http)
    peer = await running.peer()
    peer.write(request_)
    first, fields = await peer.head()
    assert first == f"HTTP/1.1 {status}"
    assert field is None or field in fields
    assert fields["connection"] == "close"
    assert len(await peer.rest()) == int(fields["content-length"])
    await peer.close()
    assert app.received == []


# The log --------------------------------------------------------------------------------------


async def test_the_lines_of_the_log(serve_asgi: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5, "uvicorn.error")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT if scope["path"] == "/in" else {"type": "websocket.close"})

    running = await serve_asgi(app, log_level=5)
    async with wsrs.WebSocket(f"{running.url}/in?x") as ws:
        await within(listen(ws, "close"))
    with pytest.raises(wsrs.HandshakeError):
        async with wsrs.WebSocket(f"{running.url}/out"):
            pass
    await until(lambda: not running.server.server_state.connections)
    lines = [each.getMessage() for each in caplog.records if "WebSocket" in each.getMessage()]
    ours = [line.partition(" - ")[2] for line in lines if "Upgrading" not in line]
    assert ours == [
        "WebSocket connection made",
        '"WebSocket /in?x" [accepted]',
        "WebSocket connection lost",
        "WebSocket connection made",
        '"WebSocket /out" 403',
        "WebSocket connection lost",
    ]


async def test_connections_are_traced_only_if_asked_for(
    serve_asgi: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.error")
    running = await serve_asgi(echo, log_level="info")
    async with wsrs.WebSocket(running.url):
        pass
    await until(lambda: not running.server.server_state.connections)
    lines = [each.getMessage().partition(" - ")[2] for each in caplog.records]
    assert [line for line in lines if "WebSocket" in line] == ['"WebSocket /" [accepted]']


async def test_an_application_that_sends_to_a_client_that_has_left(
    serve_asgi: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": "websocket.send", "text": "late"})
        finally:
            done.set()

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.terminate()
    await within(done.wait())
    await running.stop()
    assert "Traceback" not in caplog.text


async def test_a_frame_before_the_decision_is_received(serve_asgi: Serve, http: str) -> None:
    seen: list[bytes] = []

    class Seen(WSProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            seen.append(data)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await until(lambda: len(seen) == 2)
        await echo(scope, receive, send)

    running = await serve_asgi(app, ws=Seen, http=http)
    peer = await running.peer()
    peer.write(upgrade_request())
    await until(lambda: len(seen) == 1)
    peer.write(frame(TEXT, b"early"))
    await peer.head()
    assert (await peer.frame()).payload == b"early"
    await peer.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [(123, "should return None, but returned '123'"), (None, "without completing handshake")],
)
async def test_an_application_that_returns_wrongly(
    serve_asgi: Serve, caplog: pytest.LogCaptureFixture, value: Any, text: str
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> Any:
        if value is not None:
            await send(ACCEPT)
        return value

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    first, _ = await peer.head()
    assert first.split()[1] == ("101" if value else "500")
    await peer.rest()
    await peer.close()
    assert text in caplog.text
