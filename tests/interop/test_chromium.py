"""Features that only a browser has: Blobs, and a page that came from our own HTTP server."""

from __future__ import annotations

import asyncio

import wsrs
from wsrs.http import HttpServer, Request, ServerResponse

from ..conftest import Serve
from ..peers import within
from .peer import encode
from .peer_chromium import Chromium


async def test_blobs_are_sent_and_received(chromium: Chromium, echo: wsrs.WebSocketServer) -> None:
    theirs = await within(chromium.connect(echo.url, binary_type="blob"))  # type: ignore[attr-defined]
    data = bytes(range(256)) * 300
    await within(chromium.call("sendBlob", number=theirs.number, data=encode(data)))
    assert await within(theirs.recv()) == data


async def test_a_page_talks_to_the_server_that_it_came_from(chromium: Chromium, serve: Serve) -> None:
    page = "<script>ws = new WebSocket(`ws://${location.host}/`); ws.onopen = () => ws.send(origin)</script>"

    def answer(request: Request, response: ServerResponse) -> None:
        response.set_header("Content-Type", "text/html")
        response.end(page)

    heard: asyncio.Queue[tuple[bytes, str | None]] = asyncio.Queue()

    def came(ws: wsrs.WebSocket, request: Request) -> None:
        origin = request.headers.get("origin")
        ws.on("message", lambda data, is_binary: heard.put_nowait((data, origin)))

    async with HttpServer({}, answer).listen(0, "127.0.0.1") as http:
        await serve(came, server=http)
        address = http.address()
        assert isinstance(address, dict)
        origin = f"http://127.0.0.1:{address['port']}"
        await within(chromium.navigate(f"{origin}/"))
        assert await within(heard.get()) == (origin.encode(), origin)
        await within(chromium.navigate("about:blank"))
