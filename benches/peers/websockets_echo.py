"""websockets on uvloop: the asyncio server, with its C extension, as its performance guide says.

Compression is off unless asked for, and then with the server's defaults. `max_size` is lifted so that
the largest row is no special case. With `--broadcast` every message goes to all, by its `broadcast`.
"""

from __future__ import annotations

import argparse
import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def echo(ws: ServerConnection) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def to_all(ws: ServerConnection) -> None:
    """Send every message to all."""
    async for message in ws:
        broadcast(ws.server.connections, message)


async def main(deflate: bool, together: bool) -> None:
    """Serve until SIGTERM."""
    handler = to_all if together else echo
    compression = "deflate" if deflate else None
    async with serve(handler, "127.0.0.1", 0, compression=compression, max_size=None, backlog=4096) as server:
        print("listening", next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--broadcast", action="store_true")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.deflate, arguments.broadcast))
