"""aiohttp applications with connections that move to the engine."""

from __future__ import annotations

import asyncio
from typing import Any

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
