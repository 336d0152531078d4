"""Peers that speak bytes, and helpers that wait for events."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import struct
from collections.abc import Awaitable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
PATIENCE = 10.0
MASK = b"\x12\x34\x56\x78"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def within(awaitable: Awaitable[T], seconds: float = PATIENCE) -> T:
    """The result of `awaitable`; it fails if that takes too long."""
    return await asyncio.wait_for(awaitable, seconds)


def gather_into(seen: list[Any], count: int, full: asyncio.Event) -> Any:
    """A listener that keeps its arguments (a single one unwrapped) and sets `full` after `count` calls."""

    def heard(*args: Any) -> None:
        seen.append(args)
        if len(seen) == count:
            full.set()

    return heard


def listen(emitter: Any, event: str) -> asyncio.Future[tuple[Any, ...]]:
    """A future for the arguments of the next `event`."""
    future: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

    def heard(*args: Any) -> None:
        if not future.done():
            future.set_result(args)

    emitter.once(event, heard)
    return future


def opening(ws: Any) -> asyncio.Future[None]:
    """A task that waits for the opening from now on, so a failure goes to it and not to the loop's
    handler."""
    future: asyncio.Future[None] = asyncio.ensure_future(ws.wait_open())
    return future


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK, rsv: int = 0
) -> bytes:
    """The bytes of a frame; `rsv` is the bits in their place, as in 0x40 for RSV1."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack("!BH", bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", bit | 127, len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def close_frame(code: int | None = None, reason: bytes = b"", *, mask: bytes | None = MASK) -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason, mask=mask)


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool
    masked: bool
    rsv: int


class Peer:
    """One end of a TCP (or Unix) connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[str, dict[str, str]]:
        """The first line of a head, and its fields with names in lower case."""
        head = (await within(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return first, fields

    async def frame(self) -> Frame:
        first, second = await within(self.reader.readexactly(2))
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4) if second & 0x80 else None
        payload = await within(self.reader.readexactly(length))
        if mask is not None:
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        return Frame(first & 0x0F, payload, bool(first & 0x80), mask is not None, first & 0x70)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await within(self.reader.read())

    async def at_end(self) -> bool:
        """True if the other side has ended the connection and nothing is left to read."""
        try:
            return await within(self.reader.read(1)) == b""
        except ConnectionError:
            return True

    async def rest_or_reset(self) -> bytes:
        """As `rest`, but the other side may also reset the connection."""
        try:
            return await self.rest()
        except ConnectionError:
            return b""

    def hang_up(self, data: bytes = b"") -> None:
        """Write `data`, then FIN."""
        self.writer.write(data)
        self.writer.write_eof()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await within(self.writer.wait_closed())


def upgrade_request(
    path: str = "/", *, without: tuple[str, ...] = (), method: str = "GET", **fields: Any
) -> bytes:
    """An upgrade request; `fields` (with `_` for `-`) replace or add header fields."""
    lines = {
        "host": "localhost",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
    }
    lines.update({name.replace("_", "-"): value for name, value in fields.items()})
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name not in without)
    return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1")


async def connect(server: Any) -> Peer:
    """A TCP connection to one of our servers, without a handshake yet."""
    address = server.address()
    if isinstance(address, str):
        return Peer(*await within(asyncio.open_unix_connection(address)))
    host = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(address["address"], address["address"])
    return Peer(*await within(asyncio.open_connection(host, address["port"])))


def port_of(server: Any) -> int:
    """The TCP port of one of our servers."""
    port: int = server.address()["port"]
    return port


async def raw_client(server: Any, path: str = "/", *, then: bytes = b"", **fields: Any) -> Peer:
    """A client that speaks bytes, after its handshake; `then` is sent in the same segment as the request."""
    peer = await connect(server)
    peer.write(upgrade_request(path, **fields) + then)
    first, head = await peer.head()
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert head["sec-websocket-accept"] == ACCEPT
    return peer


def accept_for(key: str) -> str:
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key.encode() + guid).digest()).decode()


class RawServer:
    """A TCP server for our clients: `peer()` gives each connection in turn."""

    def __init__(self, server: asyncio.Server, peers: asyncio.Queue[Peer], everybody: list[Peer]) -> None:
        self._server = server
        self._peers = peers
        self._everybody = everybody
        self.port: int = server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"

    @classmethod
    async def start(cls) -> RawServer:
        peers: asyncio.Queue[Peer] = asyncio.Queue()

        everybody: list[Peer] = []

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            everybody.append(Peer(reader, writer))
            peers.put_nowait(everybody[-1])

        return cls(await asyncio.start_server(came, "127.0.0.1", 0), peers, everybody)

    async def peer(self) -> Peer:
        """The next connection, without a handshake yet."""
        return await within(self._peers.get())

    async def accept(self, *, then: bytes = b"", **fields: Any) -> Peer:
        """The next connection, after answering its handshake; `then` is sent in the same segment."""
        peer = await self.peer()
        _, head = await peer.head()
        peer.write(self.answer(head["sec-websocket-key"], **fields) + then)
        return peer

    @staticmethod
    def answer(
        key: str, *, status: str = "101 Switching Protocols", without: tuple[str, ...] = (), **fields: str
    ) -> bytes:
        lines = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accept_for(key)}
        lines.update({name.replace("_", "-"): value for name, value in fields.items()})
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if name not in without)
        return f"HTTP/1.1 {status}\r\n{text}\r\n".encode("latin-1")

    async def stop(self) -> None:
        self._server.close()
        for peer in self._everybody:
            await peer.close()


async def answer(server: Any, request: bytes) -> tuple[str, dict[str, str], str]:
    """The first line, header fields and body of the answer to a request."""
    peer = await connect(server)
    peer.write(request)
    first, fields = await peer.head()
    body = (await peer.rest()).decode()
    assert len(body.encode()) == int(fields["content-length"])
    assert "close" in fields["connection"].lower()
    await peer.close()
    return first, fields, body
