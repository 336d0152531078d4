"""aiohttp on uvloop: a web application with one WebSocket handler, without an access log.

`decode_text=False` leaves text as bytes: aiohttp's own way to echo without decoding and encoding.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl

import uvloop
from aiohttp import WSMsgType, web

from certificate import context

DEFLATE = web.AppKey("DEFLATE", bool)


async def echo(request: web.Request) -> web.WebSocketResponse[bool]:
    """Send every message back."""
    compress = request.app[DEFLATE]
    ws: web.WebSocketResponse[bool] = web.WebSocketResponse(
        compress=compress, max_msg_size=0, decode_text=False
    )
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            await ws.send_frame(message.data, message.type)
    return ws


async def main(deflate: bool, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM."""
    app = web.Application()
    app[DEFLATE] = deflate
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096, ssl_context=tls)
    await site.start()
    print("listening", runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--tls", type=context)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.deflate, arguments.tls))
