"""`Headers`, and the messages that contain them."""

from __future__ import annotations

import wsrs
from wsrs.http import Headers

from ..conftest import Reports
from ..peers import RawServer, listen, within


def test_headers_are_a_mapping() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert (dict(headers), len(headers)) == ({"a": "1, 3", "b": "2"}, 2)
    assert repr(headers) == "Headers([('A', '1'), ('b', '2'), ('a', '3')])"


async def test_an_unexpected_response_has_status_phrase_and_headers(
    raw_server: RawServer, reports: Reports
) -> None:
    ws = wsrs.WebSocket(raw_server.url)
    heard = listen(ws, "unexpected-response")
    peer = await raw_server.peer()
    await peer.head()
    peer.write(b"HTTP/1.1 299 So so\r\nContent-Length: 0\r\n\r\n")
    _, response = await within(heard)
    assert (response.statusCode, response.statusMessage) == (299, "So so")
    assert repr(response) == "<Response 299 'So so'>"
    ws.on("error", lambda error: None)
    ws.terminate()
    await within(ws.wait_closed())
