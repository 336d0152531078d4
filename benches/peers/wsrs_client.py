"""wsrs's client, by callbacks or by `async for`."""

from __future__ import annotations

import asyncio

from lockstep import Lockstep, parser, run
from wsrs import WebSocket


def by_callbacks(ws: WebSocket, lockstep: Lockstep) -> None:
    """Send the next message from a `'message'` listener."""
    send, payload, echoed = ws.send, lockstep.payload, lockstep.echoed

    def message(data: bytes, is_binary: bool) -> None:
        echoed(data)
        send(payload)

    ws.on("message", message)
    send(payload)


async def by_iteration(ws: WebSocket, lockstep: Lockstep) -> None:
    """Send the next message within `async for`."""
    await ws.send(lockstep.payload)
    async for data in ws:
        lockstep.echoed(data)
        await ws.send(lockstep.payload)


async def main(lockstep: Lockstep, style: str) -> None:
    """Open all connections, then measure."""
    tasks = []
    for _ in range(lockstep.connections):
        ws = WebSocket(lockstep.url, per_message_deflate=False)
        await ws.wait_open()
        if style == "iter":
            tasks.append(asyncio.ensure_future(by_iteration(ws, lockstep)))
        else:
            by_callbacks(ws, lockstep)
    await lockstep.measure()


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--style", choices=("callback", "iter"), default="callback")
    arguments = options.parse_args()
    run(main(Lockstep(arguments), arguments.style), arguments.loop)
