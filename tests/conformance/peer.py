"""The wsrs program under test: an echo server, or the client that Autobahn's server of cases expects.

Autobahn's cases 9.3.1 and 9.4.1 send 4 MiB in fragments of 64 bytes. These are 65,536, above the default
`max_fragments`, so that limit is off here. Nothing else differs from the defaults.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from wsrs import ConnectionClosed, WebSocket, WebSocketServer

AGENT = "wsrs"


def nothing(error: BaseException) -> None:
    """Ignore errors: the cases provoke them, and check that the connection closes correctly."""


async def serve() -> None:
    async with WebSocketServer(
        port=0, host="127.0.0.1", per_message_deflate={"threshold": 0}, max_fragments=0
    ) as wss:

        @wss.on("connection")
        def echo(ws: WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))
            ws.on("error", nothing)

        address = wss.address()
        assert isinstance(address, dict)
        print(address["port"], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def ask(url: str) -> Any:
    async with WebSocket(url) as ws:
        return json.loads(await ws.recv())


async def run_case(url: str, no_takeover: bool) -> None:
    offer: Any = {"threshold": 0, **({"client_no_context_takeover": True} if no_takeover else {})}
    ws = WebSocket(url, max_fragments=0, per_message_deflate=offer)
    ws.on("error", nothing)
    ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))
    await ws.wait_closed()


async def drive(base: str, no_takeover: bool) -> None:
    count = await ask(f"{base}/getCaseCount")
    for number in range(1, count + 1):
        await run_case(f"{base}/runCase?case={number}&agent={AGENT}", no_takeover)
    try:
        async with WebSocket(f"{base}/updateReports?agent={AGENT}") as ws:
            await ws.recv()
    except ConnectionClosed:
        pass


if __name__ == "__main__":
    if sys.argv[1] == "server":
        asyncio.run(serve())
    else:
        asyncio.run(drive(sys.argv[2], "--no-takeover" in sys.argv[3:]))
