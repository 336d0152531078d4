"""Applications by hand, and the messages that most of them send."""

from __future__ import annotations

import asyncio

from .conftest import Message, Receive, Send

ACCEPT = {"type": "websocket.accept"}
CONNECT = {"type": "websocket.connect"}


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Accept, then send each message back as it came."""
    assert await receive() == CONNECT
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({**message, "type": "websocket.send"})


class Recorded:
    """An application that keeps what it receives, after `prelude`, until the end."""

    def __init__(self, *prelude: Message) -> None:
        self.prelude = prelude
        self.received: list[Message] = []
        self.accepted = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            for message in self.prelude:
                await send(message)
            self.accepted.set()
            while not self.received or self.received[-1]["type"] != "websocket.disconnect":
                self.received.append(await receive())
        finally:
            self.ended.set()
