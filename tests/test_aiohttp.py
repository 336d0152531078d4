"""A WebSocketServer in a real aiohttp application: by `server=`, and by hand in a handler."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

import wsrs
from wsrs.aiohttp import AiohttpRequest, upgrade

from .conftest import Reports
from .peers import KEY, Peer, frame, listen, upgrade_request, within

CERTIFICATE = Path(__file__).with_name("localhost.pem")

Run = Callable[..., Awaitable[int]]


@pytest_asyncio.fixture
async def run(reports: Reports) -> AsyncIterator[Run]:
    """Runs applications: `await run(app)` returns the port."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application, **options: Any) -> int:
        runner = web.AppRunner(app, shutdown_timeout=5)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, **options)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    yield start
    for runner in runners:
        await within(runner.cleanup())


def greet(ws: wsrs.WebSocket, request: Any) -> None:
    """Send the path of the request, then echo each message."""
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))
    ws.send(f"hello {request.url}")


async def peer_of(port: int) -> Peer:
    return Peer(*await within(asyncio.open_connection("127.0.0.1", port)))


async def refusal(port: int, request: bytes) -> tuple[str, dict[str, str], bytes]:
    peer = await peer_of(port)
    peer.write(request)
    first, fields = await peer.head()
    # This does not read to the end: aiohttp keeps the connection for another request.
    body = await within(peer.reader.readexactly(int(fields.get("content-length", 0))))
    await peer.close()
    return first, fields, body


class TestServerOption:
    async def test_connections_and_the_rest_of_the_application(self, run: Run) -> None:
        async def plain(request: web.Request) -> web.Response:
            return web.Response(text="plain")

        app = web.Application()
        app.router.add_get("/chat", plain)
        server = wsrs.WebSocketServer(server=app, path="/chat")
        connection = listen(server, "connection")
        server.on("connection", greet)
        port = await run(app)
        await within(server.wait_listening())
        assert server.address() is None
        async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/chat?x=1", headers={"X-One": "1"}) as ws:
            assert await within(ws.recv()) == "hello /chat?x=1"
            for message in ("text", b"x" * 300_000):
                await ws.send(message)
                assert await within(ws.recv()) == message
            client, request = await within(connection)
            assert server.clients == {client}
            assert isinstance(request, AiohttpRequest)
            assert (request.method, request.url, request.http_version) == ("GET", "/chat?x=1", "1.1")
            assert request.headers["x-one"] == "1"
            assert request.original.app is app
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/chat") as response:
            assert await response.text() == "plain"

    async def test_several_servers_by_path_work_beside_aiohttps_own_websockets(self, run: Run) -> None:
        async def own(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.send_str("aiohttp's own")
            await ws.close()
            return ws

        app = web.Application()
        app.router.add_get("/own", own)
        for path in ("/a", "/b"):
            wsrs.WebSocketServer(server=app, path=path).on("connection", greet)
        port = await run(app)
        for path, message in (("a", "hello /a"), ("b", "hello /b"), ("own", "aiohttp's own")):
            async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/{path}") as ws:
                assert await within(ws.recv()) == message
        assert (await refusal(port, upgrade_request("/c")))[0] == "HTTP/1.1 404 Not Found"

    async def test_an_upgrade_that_expects_100_continue_gets_it_once(self, run: Run) -> None:
        app = web.Application()
        wsrs.WebSocketServer(server=app).on("connection", greet)
        peer = await peer_of(await run(app))
        peer.write(upgrade_request(expect="100-continue"))
        assert (await peer.head())[0] == "HTTP/1.1 100 Continue"
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    async def test_middlewares_of_the_application_come_first(self, run: Run) -> None:
        @web.middleware
        async def lock(request: web.Request, handler: Any) -> web.StreamResponse:
            if request.query.get("token") != "good":
                raise web.HTTPForbidden
            return await handler(request)  # type: ignore[no-any-return]

        app = web.Application(middlewares=[lock])
        wsrs.WebSocketServer(server=app).on("connection", greet)
        port = await run(app)
        assert (await refusal(port, upgrade_request("/")))[0] == "HTTP/1.1 403 Forbidden"
        async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/?token=good") as ws:
            assert await within(ws.recv()) == "hello /?token=good"

    async def test_a_coroutine_function_as_should_handle_accepts_no_request(self, run: Run) -> None:
        class Later(wsrs.WebSocketServer):
            async def should_handle(self, request: Any) -> bool:  # type: ignore[override]
                return False

        app = web.Application()
        Later(server=app)
        assert (await refusal(await run(app), upgrade_request("/")))[0].startswith("HTTP/1.1 500")

    async def test_tls(self, run: Run) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        verdicts = [True, False]

        async def verify(info: Any) -> bool:
            await asyncio.sleep(0)
            return bool(info.secure and verdicts.pop(0))

        app = web.Application()
        wsrs.WebSocketServer(server=app, verify_client=verify).on("connection", greet)
        url = f"wss://localhost:{await run(app, ssl_context=context)}/"
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        async with wsrs.WebSocket(url, ssl=trusting) as ws:
            assert await within(ws.recv()) == "hello /"
            await ws.send(b"y" * 200_000)
            assert await within(ws.recv()) == b"y" * 200_000
        with pytest.raises(wsrs.HandshakeError) as caught:
            await within(wsrs.WebSocket(url, ssl=trusting).wait_open())
        assert caught.value.status == 401

    @pytest.mark.parametrize(
        ("request_bytes", "status", "body"),
        [
            (upgrade_request(method="POST"), "405 Method Not Allowed", b"Invalid HTTP method"),
            (
                upgrade_request(sec_websocket_version="7"),
                "400 Bad Request",
                b"Missing or invalid Sec-WebSocket-Version header",
            ),
        ],
    )
    async def test_refusals_of_the_server_are_sent_by_aiohttp(
        self, run: Run, request_bytes: bytes, status: str, body: bytes
    ) -> None:
        app = web.Application()
        wsrs.WebSocketServer(server=app)
        first, fields, text = await refusal(await run(app), request_bytes)
        assert (first, text, fields["connection"]) == (f"HTTP/1.1 {status}", body, "close")

    async def test_other_upgrades_are_left_to_the_application(self, run: Run) -> None:
        app = web.Application()
        wsrs.WebSocketServer(server=app)
        line, _, _ = await refusal(
            await run(app), upgrade_request(upgrade="h2c", connection="Upgrade, close")
        )
        assert line == "HTTP/1.1 404 Not Found"

    async def test_ws_client_error_owns_the_socket(self, run: Run) -> None:
        app = web.Application()
        server = wsrs.WebSocketServer(server=app)

        def refused(error: Exception, transport: asyncio.Transport, request: Any) -> None:
            def answer() -> None:
                transport.write(b"HTTP/1.1 418 Teapot\r\n\r\n")
                transport.close()

            asyncio.get_running_loop().call_soon(answer)

        server.on("ws_client_error", refused)
        assert (await refusal(await run(app), upgrade_request(method="PUT")))[0] == "HTTP/1.1 418 Teapot"

    async def test_frames_that_arrive_with_the_request_are_delivered(self, run: Run) -> None:
        app = web.Application()
        wsrs.WebSocketServer(server=app).on("connection", greet)
        peer = await peer_of(await run(app))
        peer.write(upgrade_request("/") + frame(1, b"early"))
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert [(await peer.frame()).payload, (await peer.frame()).payload] == [b"hello /", b"early"]
        await peer.close()

    async def test_a_closed_server_leaves_requests_to_the_application(self, run: Run) -> None:
        app = web.Application()
        server = wsrs.WebSocketServer(server=app)
        port = await run(app)
        server.close()
        await within(server.wait_closed())
        assert (await refusal(port, upgrade_request()))[0] == "HTTP/1.1 404 Not Found"

    async def test_the_server_ends_with_the_application(self, reports: Reports) -> None:
        app = web.Application()
        server = wsrs.WebSocketServer(server=app)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{runner.addresses[0][1]}")
        closed, gone = listen(ws, "close"), listen(server, "close")
        await within(ws.wait_open())
        await within(runner.cleanup())
        assert (await within(closed))[0] == 1001
        await within(gone)

    async def test_aiohttp_forgets_a_connection_that_has_ended(self, reports: Reports) -> None:
        app = web.Application()
        server = wsrs.WebSocketServer(server=app)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        assert runner.server is not None
        connection = listen(server, "connection")
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{runner.addresses[0][1]}")
        await within(ws.wait_open())
        client, _ = await within(connection)
        assert len(runner.server.connections) == 1
        handler = [task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task)]
        ws.terminate()
        await within(client.wait_closed())
        await within(asyncio.wait(handler))
        assert runner.server.connections == []
        await within(runner.cleanup())

    async def test_an_application_that_has_started_is_refused(self, run: Run) -> None:
        app = web.Application()
        await run(app)
        with pytest.raises(RuntimeError, match="the aiohttp application is started already"):
            wsrs.WebSocketServer(server=app)

    async def test_an_object_that_is_no_server_is_refused(self, reports: Reports) -> None:
        wrong: Any = object()
        with pytest.raises(TypeError, match=r"an HttpServer or an aiohttp\.web\.Application, not object"):
            wsrs.WebSocketServer(server=wrong)
        with pytest.raises(TypeError, match="host has no meaning together with server"):
            wsrs.WebSocketServer(server=web.Application(), host="x")


class TestByHand:
    async def test_upgrade_works_in_a_handler(self, run: Run) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        server.on("connection", greet)

        async def handler(request: web.Request) -> web.StreamResponse:
            return await upgrade(server, request)

        app = web.Application()
        app.router.add_get("/room/{name}", handler)
        port = await run(app)
        connection = listen(server, "connection")
        async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/room/blue") as ws:
            assert await within(ws.recv()) == "hello /room/blue"
            _, request = await within(connection)
            assert request.original.match_info["name"] == "blue"
        line, _, body = await refusal(port, b"GET /room/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (line, body) == ("HTTP/1.1 400 Bad Request", b"Invalid Upgrade header")

    async def test_a_verdict_that_does_not_come_is_answered_with_503(self, run: Run) -> None:
        server = wsrs.WebSocketServer(
            no_server=True, handshake_timeout=0.05, verify_client=lambda info, decided: None
        )

        async def handler(request: web.Request) -> web.StreamResponse:
            return await upgrade(server, request)

        app = web.Application()
        app.router.add_get("/", handler)
        line, _, _ = await refusal(await run(app), upgrade_request(sec_websocket_key=KEY))
        assert line == "HTTP/1.1 503 Service Unavailable"

    async def test_an_application_that_does_not_wait(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True)

        async def handler(request: web.Request) -> web.StreamResponse:
            return await upgrade(server, request)

        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ws = wsrs.WebSocket(f"ws://127.0.0.1:{runner.addresses[0][1]}")
        closed = listen(ws, "close")
        await within(ws.wait_open())
        await within(runner.cleanup())
        assert (await within(closed))[0] == 1006
        assert server.clients == set()

    async def test_a_handler_that_is_cancelled_while_the_verdict_is_to_come(self, run: Run) -> None:
        asked = asyncio.Event()
        server = wsrs.WebSocketServer(no_server=True, verify_client=lambda info, decided: asked.set())

        async def handler(request: web.Request) -> web.StreamResponse:
            upgrading = asyncio.ensure_future(upgrade(server, request))
            await asked.wait()
            upgrading.cancel()
            return await upgrading

        app = web.Application()
        app.router.add_get("/", handler)
        peer = await peer_of(await run(app))
        peer.write(upgrade_request())
        assert await peer.rest_or_reset() == b""
        assert server.clients == set()
        await peer.close()

    async def test_a_client_that_left_before_the_upgrade_is_a_connection_error(self, run: Run) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        came: asyncio.Future[web.Request] = asyncio.get_running_loop().create_future()
        errors: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        left = asyncio.Event()

        async def handler(request: web.Request) -> web.StreamResponse:
            came.set_result(request)
            await left.wait()
            try:
                return await upgrade(server, request)
            except ConnectionResetError as error:
                errors.set_result(error)
                raise

        app = web.Application()
        app.router.add_get("/", handler)
        peer = await peer_of(await run(app))
        peer.write(upgrade_request())
        request = await within(came)
        peer.reset()
        for _ in range(10_000):
            if request.transport is None:
                break
            await asyncio.sleep(0)
        left.set()
        assert str(await within(errors)) == "the client has left"

    async def test_bytes_that_follow_a_refusal_are_ignored(self, run: Run) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        server.on(
            "wsClientError", lambda error, transport, request: transport.write(b"HTTP/1.1 418 No\r\n\r\n")
        )

        async def handler(request: web.Request) -> web.StreamResponse:
            return await upgrade(server, request)

        app = web.Application()
        app.router.add_get("/", handler)
        peer = await peer_of(await run(app))
        peer.write(upgrade_request(without=("sec-websocket-key",)))
        assert (await peer.head())[0] == "HTTP/1.1 418 No"
        peer.hang_up(b"more")
        assert await peer.rest_or_reset() == b""
        await peer.close()
