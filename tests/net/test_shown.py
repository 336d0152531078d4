"""What exceptions, logs and `repr` show of an address: no password, no query."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest

import wsrs
from wsrs._net import url as urls

from ..conftest import Reports
from ..peers import RawServer

SECRET = "s3cret"
SHOWN = {
    "ws://h/a": "ws://h/a",
    f"ws://u:{SECRET}@h/a": "ws://h/a",
    f"ws://u:{SECRET}@h:8080/@me?a=b@c": "ws://h:8080/@me?...",
    f"ws://{SECRET}@h?": "ws://h/?",
    f"WSS://h/a?token={SECRET}#access={SECRET}": "wss://h/a?...#...",
    f"ws+unix:/a@b.sock:/x?{SECRET}": "ws+unix:/a@b.sock:/x?...",
    # In a text that is not a URL, the password may end at the last "@", whatever it contains.
    f"ws://u:x/{SECRET}@h/": "ws://...@h/",
    f"ws://u:{SECRET}?x@h:x": "ws://...@h:x",
    f"ws://u:?{SECRET}@h:x": "ws://u/?...",  # a valid one, of the host u
    f"ws://u:x#{SECRET}@h x": "ws://...@h x",
    f"ws:u:@{SECRET}@h:x": "...@h:x",
    f"ws:\\\\u:{SECRET}@h:x": "...@h:x",
    f"w\ts://u:{SECRET}@h:x": "...@h:x",
    f"ftp://u:{SECRET}@h": "ftp://...@h",
    f"//u:{SECRET}@h/a?{SECRET}": "...@h/a?...",
    f"u:{SECRET}@h": "...@h",
    f"/a?{SECRET}#{SECRET}": "/a?...#...",
    "http://h:x": "http://h:x",
    "": "",
}


class TestShown:
    """What exceptions, logs and `repr` show of an address."""

    @pytest.mark.parametrize(("address", "text"), SHOWN.items(), ids=range(len(SHOWN)))
    def test_an_address_is_shown_without_what_may_be_secret(self, address: str, text: str) -> None:
        assert urls.shown(address) == text

    @pytest.mark.parametrize(
        "address",
        [
            f"ws://u:{SECRET}@h/#f",
            f"ws://u:{SECRET}@h:x/",
            f"ws://u:{SECRET}@/",
            f"ws://u:x/{SECRET}@h",
            f"ws://u:{SECRET}@h h/",
            f"ws://u:{SECRET}@1.2.3.256/",
            f"ws://u:{SECRET}@[::g]/",
            f"ws://u:{SECRET}@h/?{SECRET}#f",
            f"ftp://u:{SECRET}@h/",
            f"//u:{SECRET}@h/",
            f"u:{SECRET}@h",
            f"ws+unix:?{SECRET}",
            f"ws+unix:/a:/?{SECRET}#f",
            f"ws+unix:/a\0:/?{SECRET}",
        ],
    )
    async def test_no_error_of_an_address_shows_its_secret(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"URL|protocol") as caught:
            wsrs.WebSocket(address)
        assert SECRET not in _everything(caught.value)

    @pytest.mark.parametrize("base", [f"ws://u:{SECRET}@h/a", "ws+unix:/a:/"])
    @pytest.mark.parametrize(
        "location",
        ["/x#f", f"//u:{SECRET}@h:x/", f"//u:{SECRET}@other/#f", f"ftp://u:{SECRET}@h", f"/x?{SECRET}#f"],
    )
    async def test_no_error_of_a_redirect_shows_a_secret(self, base: str, location: str) -> None:
        with pytest.raises(ValueError, match=r"URL|protocol") as caught:
            urls.join(urls.parse(base), location)
        assert SECRET not in _everything(caught.value)

    @pytest.mark.parametrize(
        "options",
        [
            {"proxy": f"http://u:{SECRET}/x@h"},
            {"proxy": f"http://u:{SECRET}@h:x"},
            {"proxy": f"http://u:x{SECRET}/@h"},
            {"proxy": f"http://u:{SECRET}@h\u2100:1"},
            {"proxy": f"http://u:{SECRET}@[::g"},
            {"proxy": f"http://u:{SECRET}@h/x"},
            {"proxy": f"ftp://u:{SECRET}@h"},
            {"proxy": f"http://u:{SECRET}@"},
            {"auth": f"u:{SECRET}\n"},
            {"headers": {"Authorization": f"{SECRET}\n"}},
            {"headers": {"Authorization": f"{SECRET}\u20ac"}},
            {"headers": [["Authorization", SECRET]]},
            {"headers": {"Authorization": {SECRET}}},
        ],
    )
    async def test_no_error_of_an_option_shows_a_secret(self, options: Any) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            wsrs.WebSocket(f"ws://u:{SECRET}@h/a?{SECRET}", **options)
        assert SECRET not in _everything(caught.value)

    async def test_the_repr_of_a_client_shows_no_query(self, raw_server: RawServer, reports: Reports) -> None:
        plain = f"{raw_server.url.removesuffix('/')}/a"
        ws = wsrs.WebSocket(plain.replace("://", f"://u:{SECRET}@") + f"?token={SECRET}")
        assert repr(ws) == f"<WebSocket {plain}?... CONNECTING>"
        assert ws.url is not None
        assert ws.url.endswith(f"/a?token={SECRET}")
        ws.terminate()
        while not reports:  # noqa: ASYNC110 (no event says it)
            await asyncio.sleep(0)
        report = reports.take()
        assert SECRET not in report["message"]
        assert SECRET not in _everything(report["exception"])


def _everything(error: BaseException) -> str:
    """What a log would have of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
