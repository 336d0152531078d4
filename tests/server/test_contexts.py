"""Context variables: what is set for a connection of a server is seen by its listeners alone."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs.http import HttpServer

from ..conftest import Serve
from ..peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    port_of,
    raw_client,
    within,
)

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
USER: ContextVar[str] = ContextVar("USER", default="nobody")
NAMES = ("/alice", "/bob")

Heard = list[tuple[str, str, str]]
"""The path of a connection, an event, and the user in its listener."""


def watch(ws: Any, path: str, heard: Heard) -> asyncio.Event:
    """Note the user in listeners of all kinds. The event is set at `'close'`."""
    closed = asyncio.Event()

    def note(event: str) -> Callable[..., None]:
        return lambda *args: heard.append((path, event, USER.get()))

    async def later(*args: Any) -> None:
        await asyncio.sleep(0)
        heard.append((path, "task", USER.get()))

    for event in ("message", "ping", "pong", "error", "close"):
        ws.on(event, note(event))
    ws.on("message", later)
    ws.onmessage = note("onmessage")
    ws.on("close", lambda code, reason: closed.set())
    return closed


def all_of(*paths: str) -> set[tuple[str, str, str]]:
    events = ("message", "task", "onmessage", "ping", "pong", "close")
    return {(path, event, path) for path in paths for event in events}


async def talk(server: Any, closed: list[asyncio.Event]) -> None:
    """Let two clients send in turns, and leave."""
    peers = [await raw_client(server, path, sec_websocket_protocol="chat") for path in NAMES]
    for opcode in (TEXT, PING, PONG, BINARY):
        for peer in peers:
            peer.write(frame(opcode, b"x"))
            await asyncio.sleep(0)
    for peer in peers:
        peer.write(close_frame(1000))
        await peer.rest()
        await peer.close()
    for each in closed:
        await within(each.wait())


def by_function(options: dict[str, Any]) -> Any:
    def connected(ws: Any, request: Any) -> None:
        USER.set(request.url)

    return connected


def by_coroutine(options: dict[str, Any]) -> Any:
    async def connected(ws: Any, request: Any) -> None:
        ws.pause()
        await asyncio.sleep(0)
        USER.set(request.url)
        ws.resume()

    return connected


def by_verify(options: dict[str, Any]) -> None:
    options["verify_client"] = lambda info: USER.set(info.req.url) is not None


def by_slow_verify(options: dict[str, Any]) -> None:
    async def verify(info: Any) -> bool:
        await asyncio.sleep(0)
        return USER.set(info.req.url) is not None

    options["verify_client"] = verify


def by_verify_with_a_callback(options: dict[str, Any]) -> None:
    """The verdict comes from a context that has nothing to do with the request."""
    strange = copy_context()
    strange.run(USER.set, "a stranger")
    loop = asyncio.get_running_loop()

    def verify(info: Any, decide: Callable[[bool], None]) -> None:
        USER.set(info.req.url)
        loop.call_soon(decide, True, context=strange)

    options["verify_client"] = verify


def by_task_with_a_callback(options: dict[str, Any]) -> None:
    async def verify(info: Any, decide: Callable[[bool], None]) -> None:
        await asyncio.sleep(0)
        USER.set(info.req.url)
        decide(True)

    options["verify_client"] = verify


def by_protocol(options: dict[str, Any]) -> None:
    def choose(protocols: Any, request: Any) -> str:
        USER.set(request.url)
        return "chat"

    options["handle_protocols"] = choose


def by_constructor(options: dict[str, Any]) -> None:
    names = iter(NAMES)

    class Named(wsrs.WebSocket):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            USER.set(next(names))

    options["web_socket"] = Named


SETTERS = [
    by_function,
    by_coroutine,
    by_verify,
    by_slow_verify,
    by_verify_with_a_callback,
    by_task_with_a_callback,
    by_protocol,
    by_constructor,
]


@pytest.mark.parametrize("setter", SETTERS)
async def test_what_is_set_for_a_connection_is_seen_by_its_listeners_alone(
    serve: Serve, transports: str, setter: Any
) -> None:
    heard: Heard = []
    closed: list[asyncio.Event] = []
    options: dict[str, Any] = {}
    connected = setter(options)
    server = await serve(connected, **options)
    server.on("connection", lambda ws, request: closed.append(watch(ws, request.url, heard)))
    await talk(server, closed)
    assert set(heard) == all_of(*NAMES)
    assert USER.get() == "nobody"


class TestServers:
    async def test_a_connection_begins_with_the_context_of_its_server(self, serve: Serve) -> None:
        """Not with that of whoever used the loop first."""
        seen: list[tuple[str, str]] = []
        servers: list[Any] = []

        async def begin(name: str) -> None:
            USER.set(name)
            servers.append(await serve(lambda ws, request: seen.append((name, USER.get()))))
            USER.set("set since")

        await asyncio.create_task(begin("first"))
        await asyncio.create_task(begin("second"))
        for server in (*servers, *servers):
            await (await raw_client(server)).close()
        assert seen == [("first", "first"), ("second", "second")] * 2

    async def test_an_http_server_s_requests_and_those_of_a_server_on_it(self, serve: Serve) -> None:
        seen: list[str] = []

        def on_request(request: Any, response: Any) -> None:
            seen.append(f"{USER.get()} {request.url}")
            USER.set("the last request")
            response.end()

        def on_connection(ws: Any, request: Any) -> None:
            seen.append(USER.get())
            USER.set("the last connection")

        USER.set("http")
        http = HttpServer({}, on_request).listen(0, "127.0.0.1")
        await within(http.wait_listening())
        USER.set("ws")
        server = wsrs.WebSocketServer(server=http)
        server.on("connection", on_connection)
        USER.set("test")
        for path in NAMES:
            await (await raw_client(http, path)).close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(http))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            await within(reader.read())
            writer.close()
        assert seen == ["ws", "http /alice", "ws", "http /bob"]
        http.on("close", lambda: seen.append(USER.get()))
        server.on("close", lambda: seen.append(USER.get()))
        server.close()
        http.close()
        await within(server.wait_closed())
        await within(http.wait_closed())
        assert sorted(seen[4:]) == ["http", "ws"]

    async def test_the_end_of_a_server_is_not_told_in_the_context_of_its_last_client(
        self, serve: Serve
    ) -> None:
        server = await serve(lambda ws, request: USER.set("a client"))
        peer = await raw_client(server)
        user: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server.once("close", lambda: user.set_result(USER.get()))
        server.close()
        peer.reset()
        assert await within(user) == "nobody"

    async def test_handle_upgrade_in_a_context(self, serve: Serve) -> None:
        """A program that answers requests itself gives the context of its call."""
        seen: list[str] = []
        server = wsrs.WebSocketServer(no_server=True)
        http = HttpServer().listen(0, "127.0.0.1")

        async def upgraded(ws: Any, request: Any) -> None:
            await asyncio.sleep(0)
            USER.set(f"{USER.get()}, by the callback")
            ws.on("message", lambda data, is_binary: seen.append(USER.get()))
            ws.on("message", lambda data, is_binary: ws.terminate())

        def on_upgrade(request: Any, transport: Any, head: bytes) -> None:
            USER.set(request.url)
            server.handle_upgrade(request, transport, head, upgraded)

        http.on("upgrade", on_upgrade)
        await within(http.wait_listening())
        for path in NAMES:
            peer = await raw_client(http, path, then=frame(TEXT, b"x"))
            assert await peer.at_end()
            await peer.close()
        assert seen == ["/alice, by the callback", "/bob, by the callback"]
        http.close()

    async def test_tls(self, serve: Serve) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        seen: list[tuple[str, str]] = []

        async def on_connection(ws: Any, request: Any) -> None:
            USER.set(request.url)
            ws.on("message", lambda data, is_binary: seen.append((request.url, USER.get())))
            ws.on("message", lambda data, is_binary: ws.close())

        server = await serve(on_connection, ssl=context)
        clients = [
            wsrs.WebSocket(f"wss://localhost:{port_of(server)}{path}", ca=CERTIFICATE) for path in NAMES
        ]
        for client in clients:
            await within(client.wait_open())
        for client in clients:
            client.send("x")
        for client in clients:
            await within(client.wait_closed())
        assert sorted(seen) == [(path, path) for path in NAMES]


def plain_factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> Any:
    """As factories are written that know nothing of contexts."""
    return asyncio.Task(coroutine, loop=loop)


FACTORIES: list[Any] = [plain_factory]
if sys.version_info >= (3, 12):
    FACTORIES.append(asyncio.eager_task_factory)


@pytest.mark.parametrize("factory", FACTORIES)
async def test_factories_of_tasks(serve: Serve, factory: Any) -> None:
    """Tasks that begin at once, and those that cannot be given a context."""
    heard: Heard = []
    closed: list[asyncio.Event] = []
    loop = asyncio.get_running_loop()
    server = await serve(by_coroutine({}))
    server.on("connection", lambda ws, request: closed.append(watch(ws, request.url, heard)))
    loop.set_task_factory(factory)
    try:
        await talk(server, closed)
    finally:
        loop.set_task_factory(None)
    assert set(heard) == all_of(*NAMES)
