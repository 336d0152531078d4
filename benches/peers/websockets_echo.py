"""websockets on uvloop: the asyncio server, with its C extension, as its performance guide says.

Compression is off unless asked for, and then with the server's defaults. `max_size` is lifted so that
the largest row is no special case.
"""

from __future__ import annotations

import argparse
import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(ws: ServerConnection) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def main(deflate: bool) -> None:
    """Serve until SIGTERM."""
    compression = "deflate" if deflate else None
    async with serve(echo, "127.0.0.1", 0, compression=compression, max_size=None, backlog=4096) as server:
        print("listening", next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deflate", action="store_true")
    uvloop.run(main(parser.parse_args().deflate))
