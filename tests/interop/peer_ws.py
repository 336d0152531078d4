"""npm's ws, in Node."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

from .peer import CERTIFICATE, Deflate, Peer, Remote, Theirs, address

NAMES = {
    "server_no_context_takeover": "serverNoContextTakeover",
    "client_no_context_takeover": "clientNoContextTakeover",
    "server_max_window_bits": "serverMaxWindowBits",
    "client_max_window_bits": "clientMaxWindowBits",
}
LONGEST_ANSWER = 4 * 1024 * 1024


def _deflate(deflate: Deflate | None) -> dict[str, Any] | None:
    if deflate is None:
        return None
    return {"threshold": 0, **{NAMES[name]: value for name, value in deflate.items()}}


class Ws(Peer):
    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LONGEST_ANSWER)
        self._answers = asyncio.ensure_future(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            answer = json.loads(line)
            future = self._waiting.pop(answer["id"])
            if future.done():
                continue
            if "error" in answer:
                future.set_exception(ConnectionError(answer["error"]))
            else:
                future.set_result(answer["value"])

    async def call(self, name: str, /, **args: Any) -> Any:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": number, "call": name, **args}).encode() + b"\n")
        return await future

    async def stop(self) -> None:
        self._writer.close()
        self._answers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._answers
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def connect(
        self, url: str, *, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> Theirs:
        ca = str(CERTIFICATE) if url.startswith("wss:") else None
        described = await self.call(
            "connect", url=url, protocols=list(protocols), deflate=_deflate(deflate), ca=ca
        )
        return Remote(self.call, described)

    async def serve(
        self, *, secure: bool = False, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> str:
        pem = str(CERTIFICATE) if secure else None
        port = await self.call("serve", protocols=list(protocols), deflate=_deflate(deflate), pem=pem)
        return address(port, secure)

    async def accept(self) -> Theirs:
        return Remote(self.call, await self.call("accept"))
