"""An ASGI application on uvicorn, with uvloop, httptools and uvicorn's default WebSocket protocol.

That protocol is the sans-I/O part of `websockets`. Compression is off unless asked for.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send every message back."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text is None:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
        else:
            await send({"type": "websocket.send", "text": text})


class Server(uvicorn.Server):
    """A server that prints its port."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the port."""
        await super().startup(sockets)
        print("listening", self.servers[0].sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--tls")
    arguments = parser.parse_args()
    Server(
        uvicorn.Config(
            echo,
            host="127.0.0.1",
            port=0,
            loop="uvloop",
            http="httptools",
            backlog=4096,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws_per_message_deflate=arguments.deflate,
            ssl_certfile=arguments.tls,
            ssl_keyfile=arguments.tls,
        )
    ).run()
