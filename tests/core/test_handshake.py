"""HTTP heads, and the rules of the opening handshake itself."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from wsrs.errors import HeadError, UpgradeRefused

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def test_a_request_head_is_parsed(core: Any) -> None:
    head = b"GET /chat?x=1 HTTP/1.1\r\nHost: a\r\nX-Odd:\t\xe9 b \r\nEmpty:\r\n\r\n"
    fields = [("Host", "a"), ("X-Odd", "\xe9 b"), ("Empty", "")]
    assert core.parse_request(head, 4) == ("GET", "/chat?x=1", 1, fields)
    assert core.parse_request(b"OPTIONS * HTTP/1.0\r\n\r\n", 4) == ("OPTIONS", "*", 0, [])


def test_a_response_head_is_parsed(core: Any) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    assert core.parse_response(head, 4) == (1, 101, "Switching Protocols", [("Upgrade", "websocket")])
    assert core.parse_response(b"HTTP/1.0 404\r\n\r\n", 4) == (0, 404, "", [])


REQUEST_LINE = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "head",
    [
        REQUEST_LINE + b"A: 1\r\n folded\r\n\r\n",
        REQUEST_LINE + b" A: 1\r\n\r\n",
        REQUEST_LINE + b"A : 1\r\n\r\n",
        REQUEST_LINE + b"nocolon\r\n\r\n",
        REQUEST_LINE + b": 1\r\n\r\n",
        REQUEST_LINE + b"A\xe9: 1\r\n\r\n",
        REQUEST_LINE + b"A: x\0y\r\n\r\n",
        REQUEST_LINE + b"A: x\x7fy\r\n\r\n",
        REQUEST_LINE + b"A: x\ry\r\n\r\n",
        REQUEST_LINE + b"A: x\ny: z\r\n\r\n",
        b"GET / HTTP/1.1\nA: 1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / x HTTP/1.1\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\n\r\n",
        b"G@T / HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nA: 1\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_an_ambiguous_head_is_refused(core: Any, head: bytes) -> None:
    with pytest.raises(HeadError) as raised:
        core.parse_request(head, 10)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 10\r\n\r\n",
        b"HTTP/3 200 OK\r\n\r\n",
        b"HTTP/1.1 200 a\0b\r\n\r\n",
        b"200 OK\r\n\r\n",
    ],
)
def test_bad_responses_are_refused(core: Any, head: bytes) -> None:
    with pytest.raises(HeadError):
        core.parse_response(head, 10)


def test_the_number_of_fields_is_bounded(core: Any) -> None:
    fields = b"".join(b"A%d: x\r\n" % number for number in range(5))
    assert len(core.parse_request(REQUEST_LINE + fields + b"\r\n", 5)[3]) == 5
    with pytest.raises(HeadError, match="More than 4 header fields") as raised:
        core.parse_request(REQUEST_LINE + fields + b"\r\n", 4)
    assert raised.value.status == 431


def test_the_key_of_the_rfc_has_the_answer_of_the_rfc(core: Any) -> None:
    assert core.accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    keys = {core.new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}


def request(**changes: str | None) -> list[tuple[str, str]]:
    fields: dict[str, str | None] = {
        "host": "example.com",
        "upgrade": "WebSocket",
        "connection": "Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
    }
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    return [(name.title(), value) for name, value in fields.items() if value is not None]


@pytest.mark.parametrize("version", ["13", "8"])
def test_valid_upgrade_requests_pass(core: Any, version: str) -> None:
    assert core.check_upgrade("GET", request(sec_websocket_version=version)) == (KEY, int(version))
    assert core.check_upgrade("GET", request(content_length="0")) == (KEY, 13)


NO_KEY = "Missing or invalid Sec-WebSocket-Key header"
NO_VERSION = "Missing or invalid Sec-WebSocket-Version header"
NO_BODY = "An upgrade request must not have a body"


@pytest.mark.parametrize(
    ("method", "changes", "status", "message"),
    [
        ("POST", {"upgrade": None}, 405, "Invalid HTTP method"),
        ("get", {}, 405, "Invalid HTTP method"),
        ("GET", {"upgrade": None, "sec_websocket_key": None}, 400, "Invalid Upgrade header"),
        ("GET", {"upgrade": "h2c"}, 400, "Invalid Upgrade header"),
        ("GET", {"upgrade": "websocket, h2c"}, 400, "Invalid Upgrade header"),
        ("GET", {"sec_websocket_key": None, "sec_websocket_version": None}, 400, NO_KEY),
        ("GET", {"sec_websocket_key": KEY[:-1]}, 400, NO_KEY),
        ("GET", {"sec_websocket_key": f"!{KEY[1:]}"}, 400, NO_KEY),
        ("GET", {"sec_websocket_key": f"{KEY}\n"}, 400, NO_KEY),
        ("GET", {"sec_websocket_version": None}, 400, NO_VERSION),
        ("GET", {"sec_websocket_version": "12"}, 400, NO_VERSION),
        ("GET", {"sec_websocket_version": "13, 8"}, 400, NO_VERSION),
        ("GET", {"content_length": "5"}, 400, NO_BODY),
        ("GET", {"transfer_encoding": "chunked"}, 400, NO_BODY),
    ],
)
def test_bad_upgrades_are_refused(
    core: Any, method: str, changes: dict[str, str | None], status: int, message: str
) -> None:
    with pytest.raises(UpgradeRefused) as raised:
        core.check_upgrade(method, request(**changes))
    assert (raised.value.status, str(raised.value)) == (status, message)
    assert raised.value.headers == ({"Sec-WebSocket-Version": "13, 8"} if message == NO_VERSION else {})


@pytest.mark.parametrize("name", ["Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_field_that_is_repeated_counts_as_absent(core: Any, name: str) -> None:
    fields = request()
    again = next(field for field in fields if field[0].lower() == name.lower())
    with pytest.raises(UpgradeRefused, match=f"{name} header"):
        core.check_upgrade("GET", [*fields, again])
