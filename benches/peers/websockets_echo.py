"""websockets: the asyncio server on uvloop and with its C extension, as its performance guide recommends.

`--without-extension` keeps the extension out, as if it had not been built, to measure plain Python.

Compression is off unless asked for, and then uses the server's defaults. `max_size` is raised so that the
largest row is no special case. With `--broadcast`, its `broadcast` sends every message to all.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys

import uvloop

from certificate import context

WITHOUT = "--without-extension"
if WITHOUT in sys.argv:
    # Other modules of websockets import it within `try`; None makes that an ImportError.
    sys.modules["websockets.speedups"] = None

from websockets import frames, utils  # noqa: E402 - not before the extension is kept out
from websockets.asyncio.server import ServerConnection, broadcast, serve  # noqa: E402


async def echo(ws: ServerConnection) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def to_all(ws: ServerConnection) -> None:
    """Send every message to all."""
    async for message in ws:
        broadcast(ws.server.connections, message)


async def main(deflate: bool, together: bool, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM."""
    handler = to_all if together else echo
    compression = "deflate" if deflate else None
    async with serve(
        handler, "127.0.0.1", 0, compression=compression, max_size=None, backlog=4096, ssl=tls
    ) as server:
        print("listening", next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


def refuse_the_other(with_extension: bool) -> None:
    """Refuse to run with the extension if it was to be kept out, and the other way round."""
    if (frames.apply_mask is not utils.apply_mask) != with_extension:
        raise SystemExit(f"websockets runs {'without' if with_extension else 'with'} its C extension")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(WITHOUT, action="store_true")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--broadcast", action="store_true")
    parser.add_argument("--tls", type=context)
    arguments = parser.parse_args()
    refuse_the_other(with_extension=not arguments.without_extension)
    run = uvloop.run if arguments.loop == "uvloop" else asyncio.run
    run(main(arguments.deflate, arguments.broadcast, arguments.tls))
