"""websockets: the asyncio client, without compression like the server."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import ClientConnection, connect

from lockstep import Lockstep, parser, run


async def talk(ws: ClientConnection, lockstep: Lockstep) -> None:
    """Send the next message when the previous one has come back."""
    await ws.send(lockstep.payload)
    async for data in ws:
        lockstep.echoed(data)
        await ws.send(lockstep.payload)


async def main(lockstep: Lockstep) -> None:
    """Open all connections, then measure."""
    tasks = []
    for _ in range(lockstep.connections):
        ws = await connect(lockstep.url, compression=None, max_size=None)
        tasks.append(asyncio.ensure_future(talk(ws, lockstep)))
    await lockstep.measure()


if __name__ == "__main__":
    arguments = parser(__doc__).parse_args()
    run(main(Lockstep(arguments)), arguments.loop)
