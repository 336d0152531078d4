"""What the two ends of a handshake agree on, and what is refused."""

from __future__ import annotations

import pytest

import wsrs
from wsrs._server.negotiation import accept_lines, check_message, negotiate
from wsrs.errors import UpgradeRefused

from ..peers import ACCEPT, KEY

HOST = [("Host", "localhost")]


@pytest.mark.parametrize(
    ("raw", "version", "text"),
    [
        (HOST, "1.0", "Invalid HTTP version"),
        ([], "1.1", "Missing or invalid Host header"),
        ([*HOST, *HOST], "1.1", "Missing or invalid Host header"),
    ],
)
def test_a_message_that_http_forbids(raw: list[tuple[str, str]], version: str, text: str) -> None:
    with pytest.raises(UpgradeRefused, match=text):
        check_message(raw, version)


def test_a_message_that_http_allows() -> None:
    check_message(HOST, "1.1")


def test_a_client_that_offers_nothing() -> None:
    assert negotiate(HOST, {}) == ([], None)


def test_subprotocols_are_in_the_clients_order() -> None:
    assert negotiate([("sec-websocket-protocol", "b, a")], None) == (["b", "a"], None)


async def test_permessage_deflate_is_accepted_where_it_is_wanted() -> None:
    offer = [("Sec-WebSocket-Extensions", "other, permessage-deflate; client_max_window_bits")]
    assert negotiate(offer, None) == ([], None)
    assert negotiate([("Sec-WebSocket-Extensions", "other")], {}) == ([], None)
    server = wsrs.WebSocketServer(no_server=True, per_message_deflate={"server_no_context_takeover": True})
    _, extension = negotiate(offer, server.options["per_message_deflate"])
    assert extension is not None
    assert extension[1] == "permessage-deflate; server_no_context_takeover"
    assert accept_lines(KEY, "", extension)[-1] == f"Sec-WebSocket-Extensions: {extension[1]}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Sec-WebSocket-Protocol", "a, a"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; ="),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99"),
    ],
)
def test_an_offer_that_cannot_be_read_is_refused(field: str, value: str) -> None:
    with pytest.raises(UpgradeRefused, match=f"{field} header"):
        negotiate([(field, value)], {})


def test_the_lines_of_the_answer() -> None:
    assert accept_lines(KEY, "chat", None) == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {ACCEPT}",
        "Sec-WebSocket-Protocol: chat",
    ]
