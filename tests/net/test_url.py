"""Addresses of clients: what is read of a URL, and which ones are none."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

import wsrs
from wsrs._net.url import join, parse

from ..conftest import Reports
from ..peers import RawServer, within


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "href", "host", "port", "path", "authority"),
        [
            ("ws://h", "ws://h/", "h", 80, "/", "h"),
            ("WSS://H:443/a?b=c d", "wss://h/a?b=c%20d", "h", 443, "/a?b=c%20d", "h"),
            ("http://h:8080?x", "ws://h:8080/?x", "h", 8080, "/?x", "h:8080"),
            ("https://h", "wss://h/", "h", 443, "/", "h"),
            ("ws://h/a/../b", "ws://h/b", "h", 80, "/b", "h"),
            ("ws://h/../a/b/..?c=/../d", "ws://h/a/?c=/../d", "h", 80, "/a/?c=/../d", "h"),
            ("ws://h/%2E%2e/a/./.../x/.%2e/.", "ws://h/a/.../", "h", 80, "/a/.../", "h"),
            ("ws://h/..", "ws://h/", "h", 80, "/", "h"),
            ("ws://h/a?", "ws://h/a", "h", 80, "/a", "h"),
            ("ws://h#", "ws://h/", "h", 80, "/", "h"),
            ("ws://[::1]:9/ü", "ws://[::1]:9/%C3%BC", "::1", 9, "/%C3%BC", "[::1]:9"),
            ("ws://bücher.example", "ws://xn--bcher-kva.example/", "xn--bcher-kva.example", 80, "/", None),
        ],
    )
    def test_addresses_over_tcp(
        self, url: str, href: str, host: str, port: int, path: str, authority: str | None
    ) -> None:
        address = parse(url)
        assert (address.href, address.host, address.port, address.path) == (href, host, port, path)
        assert address.secure == href.startswith("wss:")
        assert address.unix is None
        assert authority is None or address.authority == authority

    @pytest.mark.parametrize(
        ("url", "socket_path", "path"),
        [
            ("ws+unix:/a/b.sock", "/a/b.sock", "/"),
            ("ws+unix:/a/b.sock:/p?q", "/a/b.sock", "/p?q"),
            ("ws+unix:///a/b.sock:/p", "/a/b.sock", "/p"),
            ("ws+unix:/a.sock:?q", "/a.sock", "/?q"),
            ("ws+unix:/a.sock:/x/../y?z=/../", "/a.sock", "/y?z=/../"),
        ],
    )
    def test_addresses_of_unix_sockets(self, url: str, socket_path: str, path: str) -> None:
        address = parse(url)
        assert (address.unix, address.path, address.authority) == (socket_path, path, "localhost")

    @pytest.mark.parametrize(
        "url", ["", "h", "ftp://h", "ws:", "ws:h", "ws:///x", "ws://h#f", "ws://h:99999", "ws://h:x",
                "ws+unix:", "ws+unix::/p", "ws://h/\r\nX: y", "ws://a b/", "ws://[::x]/"],
    )  # fmt: skip
    async def test_bad_addresses_are_named(self, url: str) -> None:
        with pytest.raises(ValueError, match="URL") as caught:
            wsrs.WebSocket(url)
        assert not url or repr(url)[1:5] in str(caught.value)

    async def test_wrong_types(self) -> None:
        for address in (b"ws://h", 5, ["ws://h"], None):
            with pytest.raises(TypeError, match="the address must be a str or a parsed URL"):
                wsrs.WebSocket(address)  # type: ignore[arg-type]

    def test_credentials_in_the_url(self) -> None:
        assert parse("ws://us%65r:p%40ss@h/").auth == "user:p@ss"

    @pytest.mark.parametrize(
        ("base", "location", "href"),
        [
            ("ws://a/b/c", "/d?e", "ws://a/d?e"),
            ("wss://a/b/c", "d", "wss://a/b/d"),
            ("ws://a/", "http://b:81/x", "ws://b:81/x"),
            ("ws://a/", "wss://b/x", "wss://b/x"),
            ("ws+unix:/s:/a/b", "c", "ws+unix:/s:/a/c"),
            ("ws+unix:/s:/a", "ws://h/", "ws://h/"),
        ],
    )
    def test_redirects_are_joined(self, base: str, location: str, href: str) -> None:
        assert join(parse(base), location).href == href


class TestParsedAddresses:
    async def test_an_object_of_urllib_or_yarl(self, raw_server: RawServer, reports: Reports) -> None:
        class Url:
            """As `yarl.URL` reads."""

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
