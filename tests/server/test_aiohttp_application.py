"""aiohttp applications: made before their loop, and with connections that move to the engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop
from aiohttp import web

import wsrs
from wsrs._websocket.access import transport as transport_of

from ..conftest import Reports
from ..hosts import can_move, descriptors, is_moved
from ..peers import Peer, frame, listen, upgrade_request, within


def make() -> tuple[web.Application, wsrs.WebSocketServer]:
    app = web.Application()
    server = wsrs.WebSocketServer(server=app)
    server.on("connection", lambda ws, request: ws.on("message", lambda data, binary: ws.send(data)))
    return app, server


async def serve(app: web.Application) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


class TestMadeBeforeItsLoop:
    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_it_takes_the_loop_in_which_the_application_starts(self, new_loop: Any) -> None:
        app, server = make()
        assert repr(server) == "<WebSocketServer on Application RUNNING, 0 open>"
        assert server.broadcast("to nobody").sent == 0

        async def main() -> None:
            closed = asyncio.ensure_future(server.serve_forever())
            await asyncio.sleep(0)  # it waits before the application starts
            runner, port = await serve(app)
            async with wsrs.WebSocket(f"ws://127.0.0.1:{port}") as ws:
                await ws.send("hello")
                assert await within(ws.recv()) == b"hello"
                assert len(server.clients) == 1
                await within(runner.cleanup())
                with pytest.raises(wsrs.ConnectionClosed) as caught:
                    await within(ws.recv())
                assert caught.value.close_code == 1001
            await within(closed)
            await server.wait_closed()

        run(main(), new_loop())

    def test_it_may_be_made_in_a_loop_that_is_over(self) -> None:
        async def early() -> tuple[web.Application, wsrs.WebSocketServer]:
            return make()

        app, server = asyncio.run(early())

        async def main() -> None:
            runner, port = await serve(app)
            async with wsrs.WebSocket(f"ws://127.0.0.1:{port}") as ws:
                await ws.send("hello")
                assert await within(ws.recv()) == b"hello"
            await within(runner.cleanup())
            await within(server.wait_closed())

        asyncio.run(main())

    def test_it_may_be_closed_before_any_loop_runs(self) -> None:
        app, server = make()
        ends: list[object] = []
        server.on("close", lambda: ends.append("event"))
        server.close(lambda *error: ends.append(error))
        assert ends == ["event", ()]
        server.close(lambda error: ends.append(str(error)))
        assert ends == ["event", (), "event", "The server is not running"]

        async def main() -> None:
            await within(server.wait_closed())
            runner, port = await serve(app)
            peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
            peer.write(upgrade_request())
            assert (await peer.head())[0] == "HTTP/1.1 404 Not Found"
            await peer.close()
            await within(runner.cleanup())

        asyncio.run(main())

    @pytest.mark.parametrize("options", [{"no_server": True}, {"port": 0}])
    def test_every_other_server_needs_a_running_loop(self, options: Any) -> None:
        with pytest.raises(RuntimeError, match="construct it inside a running event loop"):
            wsrs.WebSocketServer(**options)


def run(main: Any, loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


class TestMoving:
    async def test_the_application_is_done_with_each_connection(self, reports: Reports) -> None:
        """Those that are open when it ends, and those that have ended before; no descriptor is left."""
        counted = []
        for _ in range(3):
            app, server = make()
            runner, port = await serve(app)
            host: Any = runner.server
            connections = []
            peers = []
            for _ in range(3):
                came = listen(server, "connection")
                peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
                peer.write(upgrade_request() + frame(1, b"early"))
                await peer.head()
                assert (await peer.frame()).payload == b"early"
                ws, request = await within(came)
                assert is_moved(ws) == can_move()
                socket: Any = request.socket
                assert transport_of(ws) == socket
                assert socket.get_extra_info("peername") == peer.writer.get_extra_info("sockname")
                connections.append(ws)
                peers.append(peer)
            handlers = [task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task)]
            assert (len(host.connections), len(handlers)) == (3, 3)
            await peers[0].close()
            await within(connections[0].wait_closed())
            await within(asyncio.wait(handlers, return_when=asyncio.FIRST_COMPLETED))
            assert len(host.connections) == 2
            ending = asyncio.ensure_future(runner.cleanup())
            for peer in peers[1:]:
                assert (await peer.frame()).payload[:2] == b"\x03\xe9"
                await peer.close()
            await within(ending)
            await within(asyncio.wait(handlers))
            assert host.connections == []
            counted.append(descriptors())
        assert counted[1] == counted[2]
