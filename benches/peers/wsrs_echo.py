"""wsrs, by callbacks or by `async for`, on asyncio or uvloop.

It refuses to run on another core than the one that `--backend` names. With `--deflate` it compresses every
message, small ones too, because most of the other servers have no threshold. With `--broadcast` it sends
every message to all: by `wss.broadcast`, or in the style `loop` by a loop over `wss.clients`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
from collections.abc import Callable

import uvloop

from certificate import context

if "pure" in sys.argv:  # of --backend
    # wsrs chooses its core at import.
    os.environ["WSRS_PURE_PYTHON"] = "1"

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


def broadcast_at_once(wss: WebSocketServer) -> None:
    """Send every message to all by `broadcast`."""

    @wss.on("connection")
    def _(ws: WebSocket, request: wsrs.http.Request) -> None:
        ws.on("message", lambda data, is_binary: wss.broadcast(data, binary=is_binary))


def broadcast_by_a_loop(wss: WebSocketServer) -> None:
    """Send every message to all, one by one."""

    def to_all(data: bytes, is_binary: bool) -> None:
        for client in wss.clients:
            client.send(data, binary=is_binary)

    @wss.on("connection")
    def _(ws: WebSocket, request: wsrs.http.Request) -> None:
        ws.on("message", to_all)


ECHO = {"callback": echo_by_callbacks, "iter": echo_by_iteration}
BROADCAST = {"callback": broadcast_at_once, "loop": broadcast_by_a_loop}


async def main(listen: Callable[[WebSocketServer], None], deflate: bool, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM."""
    extension = {"threshold": 0} if deflate else False
    async with WebSocketServer(
        port=0, host="127.0.0.1", backlog=4096, per_message_deflate=extension, ssl=tls
    ) as wss:
        listen(wss)
        address = wss.address()
        assert isinstance(address, dict)
        print("listening", address["port"], flush=True)
        await wss.serve_forever()


def run(arguments: argparse.Namespace, listen: Callable[[WebSocketServer], None]) -> None:
    """Run `main` on the loop of that name."""
    backend = arguments.backend
    if (wsrs.backend, "wsrs._core" in sys.modules) != (backend, backend == "core"):
        raise SystemExit(f"wsrs runs on its backend {wsrs.backend}, not {backend}")
    on_loop = uvloop.run if arguments.loop == "uvloop" else asyncio.run
    on_loop(main(listen, arguments.deflate, arguments.tls))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("core", "pure"), default="core")
    parser.add_argument("--style", choices=(*ECHO, "loop"), default="callback")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--broadcast", action="store_true")
    parser.add_argument("--tls", type=context)
    parser.add_argument("--time-slice", type=float, metavar="SECONDS")
    arguments = parser.parse_args()
    styles = BROADCAST if arguments.broadcast else ECHO
    if arguments.style not in styles:
        parser.error(f"--style must be one of {', '.join(styles)} here, not {arguments.style}")
    if arguments.time_slice is not None:
        wsrs.set_time_slice(arguments.time_slice)
    run(arguments, styles[arguments.style])
