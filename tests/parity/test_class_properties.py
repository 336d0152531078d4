"""ws's module is its class `WebSocket`, so a program that has the class has all of ws."""

from __future__ import annotations

from tests.peers import within
from wsrs import WebSocket


async def test_the_other_names_of_ws_are_attributes_of_its_class() -> None:
    async with WebSocket.Server(port=0, host="127.0.0.1") as server:
        assert isinstance(server, WebSocket.WebSocketServer)
        server.on("connection", lambda ws, request: ws.send("hello"))
        address = server.address()
        assert isinstance(address, dict)
        ws = WebSocket.WebSocket(f"ws://127.0.0.1:{address['port']}")
        stream = WebSocket.createWebSocketStream(ws, encoding="utf8")
        assert await within(stream.read(5)) == "hello"
        stream.close()
        await within(stream.wait_closed())
