"""Servers of other programs, which hand a connection over, and what is seen of a connection that moves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import wsrs
from wsrs._active_core import core
from wsrs._websocket.access import transport as transport_of
from wsrs.http import Headers, Request

from .peers import BINARY, CONTINUATION, KEY, PING, TEXT, frame, upgrade_request, within

HEAD = upgrade_request()
FIELDS = [
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
]
FRAMES = b"".join(
    [
        frame(TEXT, b"one"),
        frame(BINARY, bytes(range(256))),
        frame(TEXT, b"t", fin=False),
        frame(PING, b"p"),
        frame(CONTINUATION, b"hree"),
        frame(BINARY),
        frame(TEXT, b"last"),
    ]
)
MESSAGES = [(b"one", False), (bytes(range(256)), True), (b"three", False), (b"", True), (b"last", False)]


def request_by(host: Any) -> Request:
    """The request that came by a transport: that of a protocol, or of a writer."""
    return Request("GET", "/", Headers(FIELDS), "1.1", host.transport)


class Host(asyncio.Protocol):
    """The protocol of another server: it reads a head, and hands the connection over."""

    transport: Any

    def __init__(self, hand_over: Callable[[Request, bytes], object]) -> None:
        self.hand_over = hand_over
        self.data = b""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if end and head:
            self.hand_over(request_by(self), rest)

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(None)


class Handing:
    """A server with `no_server`, and one connection to it by the loop's transport over a pair of sockets."""

    def __init__(self, server: wsrs.WebSocketServer) -> None:
        self.server = server
        self.messages: list[tuple[bytes, bool]] = []
        self.last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened: asyncio.Future[wsrs.WebSocket] = asyncio.get_running_loop().create_future()
        self.on_open: Callable[[], object] = lambda: None
        self.host = Host(self._hand_over)

    async def begin(self) -> None:
        ours, self.client = socket.socketpair()
        ours.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self.host, ours)

    def _hand_over(self, request: Request, rest: bytes) -> None:
        self.request = request
        self.server.handle_upgrade(request, self.host.transport, rest, self._opened)

    def _opened(self, ws: wsrs.WebSocket, request: Any) -> None:
        ws.on("message", self._heard)
        self.opened.set_result(ws)
        self.on_open()

    def _heard(self, data: bytes, is_binary: bool) -> None:
        self.messages.append((data, is_binary))
        if data == b"last":
            self.last.set_result(None)

    async def end(self) -> None:
        self.client.close()
        await within((await within(self.opened)).wait_closed())


def can_move() -> bool:
    """Whether this core has an engine in this loop."""
    return core.reactor(asyncio.get_running_loop()) is not None


def is_moved(ws: Any) -> bool:
    return type(transport_of(ws)).__name__ == "EngineTransport"


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def no_descriptor_free() -> Iterator[None]:
    """Within this, the process cannot open another descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    with open(os.devnull) as null:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 2, hard))
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(null.fileno()))
            yield
        finally:
            for each in taken:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
