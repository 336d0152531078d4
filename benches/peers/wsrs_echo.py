"""wsrs, by callbacks or by `async for`, on asyncio or uvloop.

Refuses to be measured on anything but the native core. With `--deflate` every message is compressed, small
ones too: most of the other servers have no threshold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import uvloop

import wsrs
from wsrs import WebSocket, WebSocketServer


def echo_by_callbacks(wss: WebSocketServer) -> None:
    """Echo from a `'message'` listener."""

    @wss.on("connection")
    def _(ws: WebSocket, request: wsrs.http.Request) -> None:
        send = ws.send
        ws.on("message", lambda data, is_binary: send(data, binary=is_binary))


def echo_by_iteration(wss: WebSocketServer) -> None:
    """Echo from `async for`."""

    @wss.on("connection")
    async def _(ws: WebSocket, request: wsrs.http.Request) -> None:
        async for message in ws:
            await ws.send(message)


async def main(style: str, deflate: bool) -> None:
    """Serve until SIGTERM."""
    extension = {"threshold": 0} if deflate else False
    async with WebSocketServer(port=0, host="127.0.0.1", backlog=4096, per_message_deflate=extension) as wss:
        (echo_by_iteration if style == "iter" else echo_by_callbacks)(wss)
        address = wss.address()
        assert isinstance(address, dict)
        print("listening", address["port"], flush=True)
        await wss.serve_forever()


def run(style: str, loop: str, deflate: bool) -> None:
    """Run `main` on the loop named."""
    if "wsrs._core" not in sys.modules:
        raise SystemExit("wsrs runs on its pure backend: the native core is not there or is switched off")
    if loop == "uvloop":
        uvloop.run(main(style, deflate))
    else:
        asyncio.run(main(style, deflate))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", choices=("callback", "iter"), default="callback")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    parser.add_argument("--deflate", action="store_true")
    arguments = parser.parse_args()
    run(arguments.style, arguments.loop, arguments.deflate)
