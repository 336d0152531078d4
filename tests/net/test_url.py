"""Addresses: clients connect where Node would, as recorded from its `URL` in `urls.json`."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import wsrs
from wsrs._net import url as urls

from ..conftest import Reports
from ..interop import presence
from ..peers import RawServer, opening, within

TABLE = Path(__file__).with_name("urls.json")
RECORDER = Path(__file__).with_name("record_urls.mjs")

OTHERWISE = {
    # Node 20 has a Unicode before 15.1, which maps U+1E9E to "ss"; browsers connect to `faß.de`.
    "ws://FA\u1e9e.de/": "ws://xn--fa-hia.de/",
    # Node 20 has a UTS 46 before revision 33, which allows Punycode for a name that is ASCII anyway.
    "ws://xn--a-/": None,
    "ws://xn--bcher-/": None,
    # Node 20 does not apply rules of RFC 5893 on names that are written from right to left.
    "ws://1\u05d0.example/": None,
    "ws://1.\u05d0\u05d1/": None,
    "ws://www.\u05d0.1a.example/": None,
    "ws://xn--4db.1a.example/": None,
}
"""Where wsrs differs from Node 20 because it follows the current standard: the URL, or None for a refusal."""


def recorded(*, relative: bool, valid: bool) -> list[Any]:
    """The rows of the table with or without a base, and with a result or an error, as parameters of a
    test."""
    return [
        pytest.param(row, id=ascii(row["input"]))
        for row in json.loads(TABLE.read_text(encoding="ascii"))
        if ("base" in row, "error" not in row) == (relative, valid) and row["input"] not in OTHERWISE
    ]


def expected_address(row: dict[str, str]) -> urls.Address:
    """The address that a client gets from Node's result."""
    scheme = row["href"].partition(":")[0]
    auth = f"{unquote(row['username'])}:{unquote(row['password'])}"
    return urls.Address(
        href=row["href"],
        secure=scheme == "wss",
        host=row["hostname"].strip("[]"),
        port=int(row["port"] or {"ws": 80, "wss": 443}[scheme]),
        authority=row["host"],
        path=row["target"],
        auth=None if auth == ":" else auth,
        unix=None,
    )


class Wire(asyncio.Transport):
    """A transport that keeps the first write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: Any) -> None:
        self.written.set_result(bytes(data))

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class TestTheTable:
    def test_the_table_is_long(self) -> None:
        rows = json.loads(TABLE.read_text(encoding="ascii"))
        assert len(rows) > 300
        assert len({(row["input"], row.get("base")) for row in rows}) == len(rows)

    @pytest.mark.parametrize("row", recorded(relative=False, valid=True))
    async def test_a_client_connects_and_asks_as_node_would(
        self, row: dict[str, str], reports: Reports
    ) -> None:
        wanted = expected_address(row)
        wire = Wire()
        seen: dict[str, Any] = {}

        def create_connection(options: dict[str, Any]) -> Wire:
            seen.update(options)
            return wire

        ws = wsrs.WebSocket(row["input"], create_connection=create_connection)
        line, *lines = (await within(wire.written)).decode("ascii").rstrip().split("\r\n")
        fields = dict(each.split(": ", 1) for each in lines)
        assert ws.url == wanted.href
        assert {name: seen[name] for name in ("host", "port", "secure")} == {
            "host": wanted.host,
            "port": wanted.port,
            "secure": wanted.secure,
        }
        assert (line, fields["Host"]) == (f"GET {wanted.path} HTTP/1.1", wanted.authority)
        authorization = fields.get("Authorization")
        if wanted.auth is None:
            assert authorization is None
        else:
            assert authorization == f"Basic {base64.b64encode(wanted.auth.encode()).decode()}"
        ws.on("error", lambda error: None).terminate()

    @pytest.mark.parametrize("row", recorded(relative=False, valid=False))
    async def test_addresses_that_node_refuses_are_refused(self, row: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=row["error"]) as caught:
            wsrs.WebSocket(row["input"])
        assert repr(urls.shown(row["input"])) in str(caught.value)

    @pytest.mark.parametrize("row", recorded(relative=True, valid=True))
    def test_a_redirect_leads_where_node_would_go(self, row: dict[str, str]) -> None:
        assert urls.join(urls.parse(row["base"]), row["input"]) == expected_address(row)

    @pytest.mark.parametrize("row", recorded(relative=True, valid=False))
    def test_a_redirect_that_node_refuses_is_refused(self, row: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=row["error"]) as caught:
            urls.join(urls.parse(row["base"]), row["input"])
        assert repr(urls.shown(row["input"])) in str(caught.value)

    @pytest.mark.parametrize(("text", "href"), OTHERWISE.items(), ids=ascii)
    def test_addresses_for_which_node_20_is_behind_the_standard(self, text: str, href: str | None) -> None:
        (row,) = (row for row in json.loads(TABLE.read_text(encoding="ascii")) if row["input"] == text)
        assert row.get("href") != href
        if href is None:
            with pytest.raises(ValueError, match="invalid domain name"):
                urls.parse(text)
        else:
            assert urls.parse(text).href == href

    def test_the_table_is_what_this_node_gives(self) -> None:
        node = presence.program("Node", "node")
        text = TABLE.read_text(encoding="ascii")
        done = subprocess.run(
            [node, str(RECORDER), "-"], input=text, capture_output=True, text=True, check=True, timeout=60
        )
        # Another version of Node may differ where Node 20 is behind the standard.
        rows, now = (
            [row for row in json.loads(text) if row["input"] not in OTHERWISE] for text in (text, done.stdout)
        )
        assert now == rows


class TestOnLoopback:
    @pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "%31%32%37.1", "[::ffff:127.0.0.1]"])
    async def test_every_spelling_of_a_loopback_address_connects(
        self, raw_server: RawServer, reports: Reports, host: str
    ) -> None:
        ws = wsrs.WebSocket(f"ws://{host}:{raw_server.port}/")
        peer = await raw_server.peer()
        _, fields = await peer.head()
        shown = "[::ffff:7f00:1]" if ":" in host else "127.0.0.1"
        assert fields["host"] == f"{shown}:{raw_server.port}"
        peer.write(raw_server.answer(fields["sec-websocket-key"]))
        await within(ws.wait_open())

    async def test_the_name_that_is_looked_up_is_in_ascii(
        self, raw_server: RawServer, reports: Reports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names: list[Any] = []

        async def getaddrinfo(host: Any, port: int, **keywords: Any) -> Any:
            if host != "127.0.0.1":  # uvloop looks this one up when it connects
                names.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        for host in ("faß.de", "example.com.", "ex%41mple.com", "日本語。jp"):
            ws = wsrs.WebSocket(f"ws://{host}:{raw_server.port}/")
            await raw_server.accept()
            await within(ws.wait_open())
        assert names == ["xn--fa-hia.de", "example.com.", "example.com", "xn--wgv71a119e.jp"]

    @pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "."])
    async def test_an_impossible_name_is_an_os_error(self, reports: Reports, host: str) -> None:
        with pytest.raises(socket.gaierror):
            await within(wsrs.WebSocket(f"ws://{host}/").wait_open())


class TestUnixSockets:
    @pytest.mark.parametrize(
        ("text", "socket_path", "path"),
        [
            ("ws+unix:/a/b.sock", "/a/b.sock", "/"),
            ("ws+unix:/a/b.sock#", "/a/b.sock", "/"),
            ("WS+unix:/a/b.sock:/p?q", "/a/b.sock", "/p?q"),
            ("ws+unix:///a/b.sock:/p", "/a/b.sock", "/p"),
            ("ws+unix:/a.sock?q", "/a.sock", "/?q"),
            ("ws+unix:/a.sock:?q", "/a.sock", "/?q"),
            ("ws+unix:/a.sock:p ü", "/a.sock", "/p%20%C3%BC"),
            ("ws+unix:/a.sock:/x/../y?z=/../", "/a.sock", "/y?z=/../"),
        ],
    )
    def test_addresses_of_unix_sockets(self, text: str, socket_path: str, path: str) -> None:
        address = urls.parse(text)
        assert (address.unix, address.path, address.authority) == (socket_path, path, "localhost")
        assert not address.secure

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("ws+unix:", "The URL's pathname is empty"),
            ("ws+unix::/p", "The URL's pathname is empty"),
            ("ws+unix:?q", "The URL's pathname is empty"),
            ("ws+unix:/a\0:/", "Invalid URL"),
            ("ws+unix:/a#f", "The URL contains a fragment identifier"),
        ],
    )
    async def test_bad_addresses_of_unix_sockets_are_named(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match=why) as caught:
            wsrs.WebSocket(text)
        assert repr(urls.shown(text)) in str(caught.value)

    @pytest.mark.parametrize(
        ("base", "location", "href"),
        [
            ("ws+unix:/s:/a/b", "c", "ws+unix:/s:/a/c"),
            ("ws+unix:/s:/a/b", "/c?d=http://e", "ws+unix:/s:/c?d=http://e"),
            ("ws+unix:/s:/a", "ws://h/", "ws://h/"),
            ("ws+unix:/s:/a", "ws+unix:/t:/b", "ws+unix:/t:/b"),
            ("ws://h/", "ws+unix:/t:/b", "ws+unix:/t:/b"),
        ],
    )
    def test_redirects_of_a_unix_socket_are_joined(self, base: str, location: str, href: str) -> None:
        assert urls.join(urls.parse(base), location).href == href

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("//h/x", "there is no other host"),
            ("/a#b", "a fragment identifier"),
            ("foo:/a", "The URL's protocol"),
        ],
    )
    def test_invalid_redirects_from_a_unix_socket(self, location: str, why: str) -> None:
        with pytest.raises(ValueError, match=why) as caught:
            urls.join(urls.parse("ws+unix:/s:/a"), location)
        assert repr(urls.shown(location)) in str(caught.value)


class TestParsedAddresses:
    async def test_an_address_from_urllib_or_yarl(self, raw_server: RawServer, reports: Reports) -> None:
        class Url:
            """An object that looks like a `yarl.URL`."""

            def human_repr(self) -> str:
                return "not this"

            def __str__(self) -> str:
                return raw_server.url

        for address in (urlsplit(raw_server.url), Url()):
            ws = wsrs.WebSocket(address)
            await raw_server.accept()
            await within(ws.wait_open())
            assert ws.url == raw_server.url + "/"


@pytest.mark.parametrize("url", ["ws://[v1.a:b]/", "ws://[::zz]/"])
async def test_a_host_in_brackets_is_an_ipv6_address(url: str) -> None:
    with pytest.raises(ValueError, match="Invalid URL"):
        wsrs.WebSocket(url)


async def test_addresses_of_the_wrong_type() -> None:
    for address in (b"ws://h", 5, ["ws://h"], None):
        with pytest.raises(TypeError, match="the address must be a str or a parsed URL"):
            wsrs.WebSocket(address)  # type: ignore[arg-type]


async def test_a_redirect_whose_host_cannot_be_read_ends_the_handshake(
    raw_server: RawServer, reports: Reports
) -> None:
    ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
    waiting = opening(ws)
    peer = await raw_server.peer()
    await peer.head()
    peer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://1.2.3.256/\r\n\r\n")
    with pytest.raises(ValueError, match=r"Invalid URL: 'ws://1\.2\.3\.256/': invalid IPv4 address"):
        await within(waiting)
