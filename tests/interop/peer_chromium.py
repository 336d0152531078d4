"""Headless Chromium, driven by its DevTools protocol through our own client."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wsrs

from .peer import Deflate, Peer, Remote, Theirs
from .process import Process

PAGE = Path(__file__).with_name("page.js").read_text()


def start_chromium(program: str, folder: Path) -> tuple[Process, str]:
    """Start the browser; returns it and the address of its DevTools."""
    process = Process(
        [
            program,
            "--headless=new",
            "--no-sandbox",  # the sandbox does not work for root, as in a container
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--no-proxy-server",
            "--ignore-certificate-errors",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "about:blank",
        ]
    )
    try:
        return process, process.wait_for(r"DevTools listening on (ws://\S+)")[1]
    except RuntimeError:
        process.stop()
        raise


class Chromium(Peer):
    """One page. A page can neither ping nor choose frames or the parameters of its compression."""

    roles = ("client",)
    fragments = False
    pings = False
    offers = frozenset()

    def __init__(self, devtools: str) -> None:
        self._devtools = devtools
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        self._ws = wsrs.WebSocket(self._devtools)
        self._ws.on("message", self._heard)
        await self._ws.wait_open()
        self._target = (await self._command("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self._command("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        await self.evaluate(PAGE)

    def _heard(self, data: bytes, is_binary: bool) -> None:
        answer = json.loads(data)
        future = self._waiting.pop(answer.get("id"), None)
        if future is None or future.done():
            return  # an event
        if "error" in answer:
            future.set_exception(RuntimeError(answer["error"]["message"]))
        else:
            future.set_result(answer["result"])

    async def _command(self, method: str, session: str | None = None, /, **params: Any) -> Any:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        await self._ws.send(json.dumps(command))
        return await future

    async def evaluate(self, expression: str) -> Any:
        """Await a JavaScript expression in the page and return its value; ConnectionError if it throws."""
        answer = await self._command(
            "Runtime.evaluate", self._session, expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise ConnectionError(answer["exceptionDetails"]["exception"].get("description", answer))
        return answer["result"].get("value")

    async def call(self, name: str, /, **args: Any) -> Any:
        return await self.evaluate(f"peer.{name}({json.dumps(args)})")

    async def navigate(self, url: str) -> None:
        """Show another page, which does not have `page.js`."""
        await self._command("Page.navigate", self._session, url=url)

    async def stop(self) -> None:
        await self._command("Target.closeTarget", targetId=self._target)
        self._ws.close()
        await self._ws.wait_closed()

    async def connect(
        self,
        url: str,
        *,
        protocols: Sequence[str] = (),
        deflate: Deflate | None = None,
        binary_type: str = "arraybuffer",
    ) -> Remote:
        """A browser always offers compression, whatever `deflate` says."""
        described = await self.call("connect", url=url, protocols=list(protocols), binaryType=binary_type)
        return Remote(self.call, described)

    async def serve(
        self, *, secure: bool = False, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> str:
        raise NotImplementedError("a browser is no server")

    async def accept(self) -> Theirs:
        raise NotImplementedError("a browser is no server")
