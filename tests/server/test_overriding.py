"""The methods of a server that ws lets programs override: in a subclass or on one server, in both spellings.

The tests check that the server itself calls the replacement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports
from ..peers import connect, raw_client, upgrade_request, within

Make = Callable[..., Any]
SPELLINGS = {
    "should_handle": "shouldHandle",
    "handle_upgrade": "handleUpgrade",
    "complete_upgrade": "completeUpgrade",
}
NAMES = [*SPELLINGS, *SPELLINGS.values()]


def overridden(name: str, function: Callable[..., Any], where: str, **options: Any) -> Any:
    """A server whose method `name` is `function(server, *arguments)`."""
    if where == "class":
        return type("Mine", (wsrs.WebSocketServer,), {name: function})(options)
    server: Any = wsrs.WebSocketServer(options)  # type: ignore[arg-type]
    setattr(server, name, lambda *args: function(server, *args))
    return server


@pytest_asyncio.fixture
async def make(reports: Reports) -> AsyncIterator[Make]:
    servers: list[Any] = []

    async def start(name: str, function: Callable[..., Any], where: str) -> Any:
        server = overridden(name, function, where, port=0, host="127.0.0.1")
        servers.append(server)
        await within(server.wait_listening())
        return server

    yield start
    for server in servers:
        for client in server.clients:
            client.terminate()
        server.close()
        await within(server.wait_closed())


@pytest.mark.parametrize("where", ["class", "instance"])
class TestTheServerCalls:
    @pytest.mark.parametrize("name", ["should_handle", "shouldHandle"])
    async def test_should_handle(self, make: Make, where: str, name: str) -> None:
        seen: list[str] = []

        def should_handle(server: Any, request: Any) -> bool:
            seen.append(request.url)
            return "good" in request.url

        server = await make(name, should_handle, where)
        peer = await connect(server)
        peer.write(upgrade_request("/bad"))
        assert (await peer.head())[0] == "HTTP/1.1 400 Bad Request"
        await peer.close()
        await (await raw_client(server, "/good")).close()
        assert seen == ["/bad", "/good"]
        assert server.stats().refused == {"path": 1}

    @pytest.mark.parametrize("name", ["handle_upgrade", "handleUpgrade"])
    async def test_handle_upgrade(self, make: Make, where: str, name: str) -> None:
        seen: list[Any] = []

        def handle_upgrade(server: Any, request: Any, transport: Any, head: bytes, callback: Any) -> None:
            seen.append((request.url, head))

            def came(*what: Any) -> None:
                seen.append("came")
                callback(*what)

            wsrs.WebSocketServer.handle_upgrade(server, request, transport, head, came)

        server = await make(name, handle_upgrade, where)
        server.on("connection", lambda ws, request: seen.append("connection"))
        await (await raw_client(server, "/here")).close()
        assert seen == [("/here", b""), "came", "connection"]

    @pytest.mark.parametrize("name", ["complete_upgrade", "completeUpgrade"])
    async def test_complete_upgrade(self, make: Make, where: str, name: str) -> None:
        seen: list[Any] = []

        def complete_upgrade(server: Any, extension: Any, key: str, protocols: list[str], *rest: Any) -> None:
            seen.append(protocols)
            wsrs.WebSocketServer.complete_upgrade(server, extension, key, protocols[1:], *rest)

        server = await make(name, complete_upgrade, where)
        peer = await connect(server)
        peer.write(upgrade_request(sec_websocket_protocol="one, two"))
        first, fields = await peer.head()
        assert first == "HTTP/1.1 101 Switching Protocols"
        assert fields["sec-websocket-protocol"] == "two"
        assert seen == [["one", "two"]]
        await peer.close()

    @pytest.mark.parametrize("name", NAMES)
    async def test_a_method_may_be_replaced_while_the_server_runs(
        self, make: Make, where: str, name: str
    ) -> None:
        """A replacement on one server takes precedence over its class, until it is deleted."""
        calls: list[str] = []
        pep8 = next(plain for plain, ws in SPELLINGS.items() if name in (plain, ws))
        plain = getattr(wsrs.WebSocketServer, pep8)

        def noted(text: str) -> Callable[..., Any]:
            def call(server: Any, *args: Any) -> Any:
                calls.append(text)
                return plain(server, *args)

            return call

        server = await make(name, noted("first"), where)
        await (await raw_client(server)).close()
        for spelling in (pep8, SPELLINGS[pep8]):
            setattr(server, spelling, lambda *args: noted("second")(server, *args))
            await (await raw_client(server)).close()
        delattr(server, name)
        await (await raw_client(server)).close()
        assert calls == ["first", "second", "second", *(["first"] if where == "class" else [])]


@pytest.mark.parametrize("where", ["class", "instance"])
@pytest.mark.parametrize("name", NAMES)
async def test_overrides_work_on_an_http_server_that_the_program_made(
    reports: Reports, where: str, name: str
) -> None:
    calls: list[str] = []
    pep8 = next(plain for plain, ws in SPELLINGS.items() if name in (plain, ws))
    plain = getattr(wsrs.WebSocketServer, pep8)
    http: Any = HttpServer()
    http.listen(0, "127.0.0.1")

    def noted(server: Any, *args: Any) -> Any:
        calls.append(name)
        return plain(server, *args)

    async with http:
        server = overridden(name, noted, where, server=http)
        await (await raw_client(http)).close()
        assert calls == [name]
        server.close()
        for client in server.clients:
            client.terminate()
        await within(server.wait_closed())


@pytest.mark.parametrize("where", ["class", "instance"])
@pytest.mark.parametrize("name", NAMES)
async def test_overrides_work_on_an_aiohttp_application(reports: Reports, where: str, name: str) -> None:
    calls: list[str] = []
    pep8 = next(plain for plain, ws in SPELLINGS.items() if name in (plain, ws))
    plain = getattr(wsrs.WebSocketServer, pep8)

    def noted(server: Any, *args: Any) -> Any:
        calls.append(name)
        return plain(server, *args)

    app = web.Application()
    overridden(name, noted, where, server=app)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ws = wsrs.WebSocket(f"ws://127.0.0.1:{runner.addresses[0][1]}/")
    await within(ws.wait_open())
    # The application asks which requests are the server's before it hands one over.
    assert calls == [name] * (2 if pep8 == "should_handle" else 1)
    ws.close()
    await within(ws.wait_closed())
    await runner.cleanup()
