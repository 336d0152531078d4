"""The answers of HTTP proxies to CONNECT, in any pieces. SOCKS answers in pieces too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import TEXT, Peer, RawServer, frame, listen, within

OK = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


async def by_proxy(
    raw_server: RawServer, scheme: str = "http", host: str = "far.example"
) -> tuple[Any, Peer]:
    """A client whose proxy is the raw server, and the proxy's side of it."""
    url = f"ws://{host}/"
    ws = wsrs.WebSocket(url, proxy=f"{scheme}://me:p%C3%A4ss@127.0.0.1:{raw_server.port}")
    peer = await raw_server.peer()
    return ws, peer


async def in_pieces(peer: Peer, data: bytes, size: int) -> None:
    """Write `data`, each piece of `size` bytes in a segment of its own."""
    for place in range(0, len(data), size):
        peer.write(data[place : place + size])
        await peer.writer.drain()
        for _ in range(3):
            await asyncio.sleep(0)


async def upgrade(peer: Peer, then: bytes = b"") -> None:
    """Act as the server behind the tunnel."""
    first, head = await peer.head()
    assert (first, head["host"]) == ("GET / HTTP/1.1", "far.example")
    peer.write(RawServer.answer(head["sec-websocket-key"]) + then)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "answer",
    [OK, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + OK, b"HTTP/1.0 204 \r\n\r\n"],
)
async def test_an_answer_may_come_in_any_pieces(
    raw_server: RawServer, reports: Reports, answer: bytes, size: int
) -> None:
    ws, peer = await by_proxy(raw_server)
    first, head = await peer.head()
    assert first == "CONNECT far.example:80 HTTP/1.1"
    assert head == {"host": "far.example:80", "proxy-authorization": "Basic bWU6cMOkc3M="}
    message = listen(ws, "message")
    await in_pieces(peer, answer, size)
    await upgrade(peer, frame(TEXT, b"through", mask=None))
    assert await within(message) == (b"through", False)


async def test_bytes_behind_the_answer_are_those_of_the_server(
    raw_server: RawServer, reports: Reports
) -> None:
    ws, peer = await by_proxy(raw_server)
    await peer.head()
    peer.write(OK + b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(wsrs.HandshakeError, match=r"Invalid server response: it begins with b.SSH-2\.0"):
        await within(ws.wait_open())


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!",
            "407 Proxy Authentication Required",
            407,
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "302 Found", 302),
        (b"SOCKS?\r\n\r\n", "its answer is invalid: ", None),
        (b"HTTP/1.1 200", "it has closed the connection", None),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000, "the head of its answer is too large", None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "the head of its answer is too large", None),
    ],
)
async def test_other_answers_are_errors(
    raw_server: RawServer, reports: Reports, answer: bytes, text: str, status: int | None
) -> None:
    ws, peer = await by_proxy(raw_server)
    await peer.head()
    peer.hang_up(answer)
    wanted = rf"The proxy 127\.0\.0\.1:{raw_server.port} did not connect to far\.example:80: {text}"
    with pytest.raises(wsrs.HandshakeError, match=wanted) as raised:
        await within(ws.wait_open())
    assert raised.value.status == status
    assert await peer.at_end()


async def test_an_address_of_ipv6_is_in_brackets(raw_server: RawServer, reports: Reports) -> None:
    ws, peer = await by_proxy(raw_server, host="[::1]")
    first, head = await peer.head()
    assert (first, head["host"]) == ("CONNECT [::1]:80 HTTP/1.1", "[::1]:80")
    ws.on("error", lambda error: None)
    ws.terminate()
    assert await peer.at_end()


async def test_a_socks_answer_may_come_in_any_pieces(raw_server: RawServer, reports: Reports) -> None:
    ws, peer = await by_proxy(raw_server, "socks5")
    opened = asyncio.ensure_future(ws.wait_open())
    assert await within(peer.reader.readexactly(2)) == b"\5\2"
    await within(peer.reader.readexactly(2))
    await in_pieces(peer, b"\5\0", 1)
    assert (await within(peer.reader.readexactly(18)))[5:16] == b"far.example"
    await in_pieces(peer, b"\5\0\0\3\x04here\0\x50", 1)
    await upgrade(peer)
    await within(opened)
