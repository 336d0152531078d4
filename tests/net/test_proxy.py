"""Clients that connect through a proxy, with real proxies."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs._net.proxy import parse_proxy

from ..conftest import Reports, Serve
from ..peers import RawServer, within
from ..proxies import Proxy

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"

Start = Callable[..., Awaitable[Proxy]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    proxies: list[Proxy] = []

    async def make(kind: str, auth: str | None = None) -> Proxy:
        proxies.append(await Proxy.start(kind, auth))
        return proxies[-1]

    yield make
    for proxy in proxies:
        await proxy.stop()


@pytest_asyncio.fixture(params=["ws", "wss"])
async def target(serve: Serve, request: Any) -> tuple[str, int, dict[str, Any]]:
    """An echo server, plain and with TLS: its scheme, its port, and the options for its clients."""

    def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
        ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))

    options: dict[str, Any] = {}
    if request.param == "wss":
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(CERTIFICATE)
    server = await serve(on_connection, **options)
    return request.param, server.address()["port"], {"ca": CERTIFICATE} if options else {}


@pytest.mark.parametrize(
    ("scheme", "kind", "credentials", "auth", "host"),
    [
        ("http", "http", "", None, "localhost"),
        ("http", "http", "me:p%40ss@", "me:p@ss", "localhost"),
        ("socks4", "socks4", "", None, "127.0.0.1"),
        ("socks4", "socks4", "me@", "me", "127.0.0.1"),
        ("socks4a", "socks4", "", None, "localhost"),
        ("socks5", "socks5", "", None, "localhost"),
        ("socks5h", "socks5", "me:p%40ss@", "me:p@ss", "localhost"),
    ],
)
async def test_messages_pass_through_each_proxy(
    start: Start,
    target: Any,
    reports: Reports,
    scheme: str,
    kind: str,
    credentials: str,
    auth: Any,
    host: str,
) -> None:
    url_scheme, port, options = target
    proxy = await start(kind, auth)
    options["proxy"] = f"{scheme}://{credentials}127.0.0.1:{proxy.port}"
    name = host if kind == "socks4" else "localhost"
    async with wsrs.WebSocket(f"{url_scheme}://{name}:{port}/", options) as ws:
        for message in ("text", b"x" * 200_000):
            await ws.send(message)
            assert await within(ws.recv()) == message
    assert [tuple(asked) for asked in proxy.asked] == [(host, port, auth)]


@pytest.mark.parametrize(
    ("kind", "text", "status"),
    [("http", "407 Proxy Authentication Required", 407), ("socks4", "", None), ("socks5", "", None)],
)
async def test_a_refusal_of_the_proxy_is_an_error(
    start: Start, reports: Reports, kind: str, text: str, status: Any
) -> None:
    proxy = await start(kind, "me:right")
    ws = wsrs.WebSocket("ws://127.0.0.1:1", proxy=f"{kind}://me:wrong@127.0.0.1:{proxy.port}")
    message = rf"The proxy 127\.0\.0\.1:{proxy.port} did not connect to 127\.0\.0\.1:1: .*{text}"
    with pytest.raises(wsrs.HandshakeError, match=message) as caught:
        await within(ws.wait_open())
    assert caught.value.status == status
    assert "wrong" not in str(caught.value)
    assert not proxy.asked


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h", ("HTTP", "h", 80, None, None, True)),
        ("HTTP://H:8080/", ("HTTP", "h", 8080, None, None, True)),
        ("socks4://h", ("SOCKS4", "h", 1080, None, None, False)),
        ("socks4a://h", ("SOCKS4", "h", 1080, None, None, True)),
        ("socks5://h", ("SOCKS5", "h", 1080, None, None, True)),
        ("socks5h://h:1", ("SOCKS5", "h", 1, None, None, True)),
        # The ports that other schemes imply, which are written or not.
        ("socks5://h:80", ("SOCKS5", "h", 80, None, None, True)),
        ("socks5://h:443", ("SOCKS5", "h", 443, None, None, True)),
        ("http://h:443", ("HTTP", "h", 443, None, None, True)),
        ("socks5://h:", ("SOCKS5", "h", 1080, None, None, True)),
        ("socks5://h:0", ("SOCKS5", "h", 0, None, None, True)),
        ("http://[::1]:8080", ("HTTP", "::1", 8080, None, None, True)),
        ("socks5://[0:0::1]", ("SOCKS5", "::1", 1080, None, None, True)),
        ("socks5://127.1", ("SOCKS5", "127.0.0.1", 1080, None, None, True)),
        ("http://b\u00fccher.example", ("HTTP", "xn--bcher-kva.example", 80, None, None, True)),
        ("http://%68", ("HTTP", "h", 80, None, None, True)),
        (" http://h\n", ("HTTP", "h", 80, None, None, True)),
        ("http://@h", ("HTTP", "h", 80, None, None, True)),
        ("http://me@h", ("HTTP", "h", 80, "me", "", True)),
        ("http://:p@h", ("HTTP", "h", 80, None, "p", True)),
        ("http://a%40b:c%3Ad%2f@h", ("HTTP", "h", 80, "a@b", "c:d/", True)),
        ("http://a@b:c@h", ("HTTP", "h", 80, "a@b", "c", True)),
        ("socks5://\u00fc:%C3%BC@h", ("SOCKS5", "h", 1080, "\u00fc", "\u00fc", True)),
    ],
)
def test_a_proxy_is_named_as_a_server_is(url: str, address: Any) -> None:
    if not url.isascii():
        pytest.importorskip("idna")
    assert parse_proxy("proxy", url) == address


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("h:8080", "the scheme must be one of http, socks4, socks4a, socks5, socks5h, not 'h'"),
        ("//h", "the scheme must be one of .*, not ''"),
        ("https://h", "the scheme must be one of .*, not 'https'"),
        ("http://", "empty host"),
        ("socks5://h:x", "invalid port number"),
        ("http://h|", "invalid domain name"),
        ("http://u\\@h", "nothing may follow the host and port of 'u'"),
        ("http://h?q", "nothing may follow the host and port of 'h'"),
        ("http://h#f", "nothing may follow the host and port of 'h'"),
        ("http://[fe80::1%25eth0]", "invalid IPv6 address"),
    ],
)
def test_what_names_no_proxy_is_refused(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_proxy("proxy", url)


async def test_a_missing_proxy_is_an_error(reports: Reports) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(OSError, match="proxy"):
            await within(wsrs.WebSocket("ws://localhost:1", proxy=proxy).wait_open())


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_silent_proxy_meets_the_handshake_timeout(
    raw_server: RawServer, reports: Reports, kind: str
) -> None:
    proxy = f"{kind}://127.0.0.1:{raw_server.port}"
    ws = wsrs.WebSocket("ws://localhost:1", proxy=proxy, handshakeTimeout=50)
    with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
        await within(ws.wait_open())
    assert b"localhost" in await (await raw_server.peer()).rest_or_reset() or kind == "socks5"


async def test_redirects_go_through_the_proxy_too(
    start: Start, raw_server: RawServer, reports: Reports
) -> None:
    proxy = await start("http")
    ws = wsrs.WebSocket(
        f"ws://first.example:{raw_server.port}/",
        follow_redirects=True,
        proxy=f"http://127.0.0.1:{proxy.port}",
        local_address="127.0.0.1",
    )
    peer = await raw_server.peer()
    await peer.head()
    location = f"ws://second.example:{raw_server.port}/"
    peer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())
    await raw_server.accept()
    await within(ws.wait_open())
    assert [asked.host for asked in proxy.asked] == ["first.example", "second.example"]


async def test_a_proxy_needs_the_package_that_speaks_to_it(
    monkeypatch: pytest.MonkeyPatch, reports: Reports
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(RuntimeError, match=r"pip install 'wsrs\[proxy\]'"):
        await within(wsrs.WebSocket("ws://localhost:1", proxy="socks5://localhost:1").wait_open())


async def test_a_connection_whose_options_the_system_refuses_is_closed(
    start: Start, reports: Reports, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    proxy = await start("socks5")
    port = (await serve()).address()["port"]
    plain = socket.socket.setsockopt
    refused: list[socket.socket] = []

    def setsockopt(self: Any, level: int, option: int, value: Any) -> None:
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_NODELAY) and self.getpeername()[
            1
        ] == proxy.port:
            refused.append(self)
            raise OSError(22, "Invalid argument")
        plain(self, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
    ws = wsrs.WebSocket(f"ws://127.0.0.1:{port}", proxy=f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(OSError, match="Invalid argument"):
        await within(ws.wait_open())
    assert refused[-1].fileno() == -1
