"""Hosts of URLs: the reasons of refusals, and the pure core without the package idna."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import wsrs
from wsrs import _pure
from wsrs._net import url

from ..conftest import Reports
from ..peers import RawServer, opening, within


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ws://a b/", "invalid domain name"),
        ("ws://%FF/", "invalid domain name"),
        ("ws://xn--\u00fc/", "invalid domain name"),
        ("ws://xn--a\u00fc-b.xn--99999999/", "invalid domain name"),
        ("ws://\u05d0a/", "invalid domain name"),
        ("ws://a\u200cb/", "invalid domain name"),
        ("ws://\u0301a/", "invalid domain name"),
        ("ws://1.2.3.256/", "invalid IPv4 address"),
        ("ws://1." + "9" * 50, "invalid IPv4 address"),
        ("ws://a.0x/", "invalid IPv4 address"),
        ("ws://[::x]/", "invalid IPv6 address"),
        ("ws://[::1", "invalid IPv6 address"),
        ("ws://[fe80::1%25eth0]/", "invalid IPv6 address"),
    ],
)
def test_the_refusal_of_a_host_says_why(core: Any, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        core.parse_url(text)


class TestWithoutIdna:
    """The pure core where the package is not installed."""

    @pytest.fixture(autouse=True)
    def absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "idna", None)
        monkeypatch.setattr(url, "core", _pure)

    async def test_a_name_beyond_ascii_without_idna_says_what_is_needed(self) -> None:
        with pytest.raises(RuntimeError, match=r"the host 'faß\.de' needs idna: pip install 'wsrs\[idna\]'"):
            wsrs.WebSocket("ws://faß.de")

    async def test_a_redirect_to_a_name_beyond_ascii_says_what_is_needed(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        ws = wsrs.WebSocket(raw_server.url, follow_redirects=True)
        waiting = opening(ws)
        peer = await raw_server.peer()
        await peer.head()
        peer.write("HTTP/1.1 302 Found\r\nLocation: ws://faß.de/\r\n\r\n".encode("latin-1"))
        with pytest.raises(RuntimeError, match=r"pip install 'wsrs\[idna\]'"):
            await within(waiting)

    @pytest.mark.parametrize("host", ["example.com", "127.1", "[::1]", "XN--FA-HIA.de"])
    def test_names_in_ascii_do_not_need_idna(self, host: str) -> None:
        assert _pure.parse_url(f"ws://{host}/")[3] == host.lower().replace("127.1", "127.0.0.1")
