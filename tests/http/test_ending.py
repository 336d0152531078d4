"""The end of an answer: slow readers get all of it, and readers that take nothing are cut."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from wsrs._active_core import core
from wsrs.http import HttpServer
from wsrs.http._ending import Ending

from ..conftest import Reports
from ..peers import port_of, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
BODY = bytes(range(256)) * 32 * 1024
"""8 MiB: more than the kernel holds of a connection."""
LINGER = 0.05


@pytest.fixture(params=["engine", "loop", "tls"])
def secure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the server has TLS; the plain one runs on the engine's transports and on the loop's."""
    monkeypatch.setattr("wsrs.http._ending._LINGER", LINGER)
    if request.param == "loop":
        monkeypatch.setattr(core, "reactor", lambda loop: None)
    return bool(request.param == "tls")


def server(secure: bool, **options: Any) -> HttpServer:
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    keywords: Any = {"ssl": context, **options}
    http = HttpServer(keywords, lambda request, response: response.end(BODY))
    return http.listen(0, "127.0.0.1")


async def asking(http: HttpServer, secure: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client with a small receive buffer, which has sent its request."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port_of(http)))
    tls: dict[str, Any] = {}
    if secure:
        tls = {"ssl": ssl.create_default_context(cafile=str(CERTIFICATE)), "server_hostname": "localhost"}
    reader, writer = await within(asyncio.open_connection(sock=sock, limit=1024, **tls))
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that still arrives, even if the connection is then reset."""
    parts = []
    try:
        while part := await within(reader.read(1 << 20)):
            parts.append(part)
    except (ConnectionError, ssl.SSLError):
        pass
    return b"".join(parts)


@pytest.mark.parametrize("seconds", [10, 0])
async def test_a_reader_that_waits_for_a_while_gets_the_whole_answer(
    reports: Reports, secure: bool, seconds: float
) -> None:
    async with server(secure, response_timeout=seconds) as http:
        reader, writer = await asking(http, secure)
        await asyncio.sleep(8 * LINGER)  # it takes nothing meanwhile
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body == BODY
        writer.close()


async def test_a_slow_reader_may_take_longer_than_the_deadline(reports: Reports, secure: bool) -> None:
    async with server(secure, response_timeout=0.4) as http:
        reader, writer = await asking(http, secure)
        received = 0
        for _ in range(15):
            received += len(await within(reader.readexactly(len(BODY) // 16)))
            await asyncio.sleep(0.1)
        received += len(await rest(reader))
        assert received > len(BODY)
        writer.close()


@pytest.mark.parametrize("option", [{"response_timeout": 0.2}, {"responseTimeout": 200}])
async def test_a_reader_that_takes_nothing_is_cut(
    reports: Reports, secure: bool, option: dict[str, Any]
) -> None:
    loop = asyncio.get_running_loop()
    async with server(secure, **option) as http:
        reader, writer = await asking(http, secure)
        assert await within(reader.readexactly(4)) == b"HTTP"
        began = loop.time()
        http.close()
        await within(http.wait_closed(), 5)
        assert loop.time() - began > 0.1
        assert len(await rest(reader)) < len(BODY)
        writer.close()


async def test_a_client_that_has_the_answer_but_stays_is_disconnected_soon(
    reports: Reports, secure: bool
) -> None:
    async with server(secure) as http:
        reader, writer = await asking(http, secure)
        assert (await within(reader.readuntil(b"\r\n\r\n"))).startswith(b"HTTP/1.1 200")
        assert await within(reader.readexactly(len(BODY))) == BODY
        http.close()
        await within(http.wait_closed(), 5)
        writer.close()


class Hiding(asyncio.Transport):
    """A TLS transport on which the test sets how much of an answer is unsent."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.calls: list[str] = []
        self.aborted = asyncio.Event()
        self.ours, self.theirs = socket.socketpair()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ours if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return "close" in self.calls

    def write(self, data: Any) -> None:
        self.calls.append("write")

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.aborted.set()


async def test_an_answer_that_only_seemed_to_be_written_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer beneath TLS is judged by the socket, which may have room just before the loop uses it."""
    monkeypatch.setattr("wsrs.http._ending._LINGER", LINGER)
    transport = Hiding()
    ending = Ending(transport, b"answer", 10)
    assert transport.calls == ["write", "close"]
    transport.unsent = 10
    await asyncio.sleep(4 * LINGER)
    assert not transport.aborted.is_set()
    transport.unsent = 0
    await within(transport.aborted.wait())
    assert transport.calls == ["write", "close"]
    ending.lost()
    transport.ours.close()
    transport.theirs.close()


@pytest.mark.parametrize(("value", "error"), [("1", TypeError), (True, TypeError), (-1, ValueError)])
async def test_a_response_timeout_must_be_a_time(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="response_timeout"):
        HttpServer(response_timeout=value)
