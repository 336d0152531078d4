"""aiohttp's client, without compression."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from lockstep import Lockstep, parser, run


async def talk(ws: ClientWebSocketResponse, lockstep: Lockstep) -> None:
    """Send the next message when the previous one has come back."""
    await ws.send_bytes(lockstep.payload)
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            lockstep.echoed(message.data)
            await ws.send_bytes(lockstep.payload)


async def main(lockstep: Lockstep) -> None:
    """Open all connections, then measure."""
    tasks = []
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        for _ in range(lockstep.connections):
            ws = await session.ws_connect(lockstep.url, max_msg_size=0)
            tasks.append(asyncio.ensure_future(talk(ws, lockstep)))
        await lockstep.measure()


if __name__ == "__main__":
    arguments = parser(__doc__).parse_args()
    run(main(Lockstep(arguments)), arguments.loop)
