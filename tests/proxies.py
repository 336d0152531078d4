"""Small proxies: HTTP CONNECT, SOCKS4(a) and SOCKS5. They resolve every name to the loopback interface."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
from typing import NamedTuple


class Asked(NamedTuple):
    """A client's request to a proxy."""

    host: str
    port: int
    auth: str | None
    """`user:password`."""


class Refused(Exception):
    """The proxy does not connect; the argument is the answer that says so."""


class Proxy:
    """A listening proxy; `asked` lists the requests of clients. If `auth` is set, clients must give it."""

    def __init__(self, kind: str, auth: str | None) -> None:
        self.kind = kind
        self.auth = auth
        self.asked: list[Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, kind: str, auth: str | None = None) -> Proxy:
        proxy = cls(kind, auth)
        proxy._server = await asyncio.start_server(proxy._came, "127.0.0.1", 0)
        proxy.port = proxy._server.sockets[0].getsockname()[1]
        return proxy

    _server: asyncio.Server
    port: int

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = {"http": self._http, "socks4": self._socks4, "socks5": self._socks5}[self.kind]
        try:
            asked, answer = await begin(reader, writer)
        except Refused as refused:
            writer.write(refused.args[0])
            await writer.drain()
            await reader.read()
            return
        self.asked.append(asked)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", asked.port)
        writer.write(answer)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Asked, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        assert method == "CONNECT"
        host, _, port = target.rpartition(":")
        auth = None
        for line in head.split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                auth = base64.b64decode(line.split(" ")[2]).decode()
        if self.auth is not None and auth != self.auth:
            raise Refused(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return Asked(host, int(port), auth), b"HTTP/1.1 200 Connection established\r\n\r\n"

    async def _socks4(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Asked, bytes]:
        version, command = await reader.readexactly(2)
        assert (version, command) == (4, 1)
        port = int.from_bytes(await reader.readexactly(2), "big")
        address = await reader.readexactly(4)
        user = (await reader.readuntil(b"\0"))[:-1].decode()
        host = str(ipaddress.ip_address(address))
        if address[:3] == b"\0\0\0":
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        if self.auth is not None and user != self.auth:
            raise Refused(b"\0\x5b" + bytes(6))
        return Asked(host, port, user or None), b"\0\x5a" + bytes(6)

    async def _socks5(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Asked, bytes]:
        version, count = await reader.readexactly(2)
        assert version == 5
        methods = await reader.readexactly(count)
        auth = None
        if self.auth is None:
            writer.write(b"\5\0")
        elif 2 not in methods:
            raise Refused(b"\5\xff")
        else:
            writer.write(b"\5\2")
            assert await reader.readexactly(1) == b"\1"
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            auth = f"{user.decode()}:{password.decode()}"
            if auth != self.auth:
                raise Refused(b"\1\1")
            writer.write(b"\1\0")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        return Asked(host, port, auth), b"\5\0\0\1" + bytes(6)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
