"""Heads that are long, many, slow or ambiguous; and header injection through our own caller."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from typing import Any, cast

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import KEY, RawServer, connect, opening, raw_client, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


MANY: dict[str, Any] = {f"x{number}": "1" for number in range(2000)}


async def status(server: Any, request: bytes) -> int:
    """The status of the answer to a request."""
    peer = await connect(server)
    peer.write(request)
    first, _ = await peer.head()
    await peer.close()
    return int(first.split(" ")[1])


async def test_20_mb_of_head_are_refused_at_16_kib(transports: str, serve: Serve) -> None:
    server = await serve()
    peer = await connect(server)
    peer.write(b"GET / HTTP/1.1\r\nX: ")
    with contextlib.suppress(ConnectionError):
        for _ in range(20):
            peer.write(b"a" * 1_000_000)
            await within(peer.writer.drain())
    assert (await peer.rest_or_reset())[:12] in (b"HTTP/1.1 431", b"")
    await peer.close()
    head = upgrade_request(x="y" * (16 * 1024))
    assert await status(server, head) == 431
    assert await status(server, upgrade_request(x="y" * 15_000)) == 101


async def test_a_head_sent_byte_by_byte_is_refused_at_16_kib(transports: str, serve: Serve) -> None:
    server = await serve()
    peer = await connect(server)
    begin = time.process_time()
    for _ in range(16 * 1024 + 1):
        peer.write(b"\r")
        await peer.writer.drain()
    assert (await peer.head())[0] == "HTTP/1.1 431 Request Header Fields Too Large"
    assert time.process_time() - begin < 8
    await peer.close()


@pytest.mark.parametrize("unit", [" ", ",", "\\", "a;", '"'])
@pytest.mark.parametrize("field", ["sec_websocket_extensions", "sec_websocket_protocol"])
async def test_a_header_of_64_k_separators_is_answered_at_once(
    transports: str, serve: Serve, field: str, unit: str
) -> None:
    server = await serve(per_message_deflate=True, max_header_bytes=128 * 1024)
    begin = time.process_time()
    value: dict[str, Any] = {field: "x" + unit * (64 * 1024 // len(unit))}
    assert await status(server, upgrade_request(**value)) in (101, 400)
    assert time.process_time() - begin < 2


async def test_a_client_refuses_an_answer_with_the_same_faults(
    transports: str, raw_server: RawServer, reports: Reports
) -> None:
    for value in ('permessage-deflate; x="', "permessage-deflate; " * 300, "foo", ",", "\\" * 8000):
        waiting = opening(wsrs.WebSocket(raw_server.url))
        peer = await raw_server.peer()
        _, head = await peer.head()
        peer.write(raw_server.answer(head["sec-websocket-key"], sec_websocket_extensions=value))
        with pytest.raises(wsrs.HandshakeError):
            await within(waiting)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (upgrade_request(**MANY), 431),
        (upgrade_request(without=("upgrade",)), 426),
        (upgrade_request(without=("sec-websocket-version",)), 400),
        (upgrade_request()[:-2] + f"Sec-WebSocket-Key: {KEY}\r\n\r\n".encode(), 400),
        (upgrade_request()[:-2] + b" folded\r\n\r\n", 400),
        (upgrade_request()[:-2] + b"X : spaced\r\n\r\n", 400),
        (upgrade_request(content_length="5") + b"12345", 400),
        (upgrade_request(transfer_encoding="chunked") + b"0\r\n\r\n", 400),
        (upgrade_request().replace(b"\r\n", b"\n") + b"\r\n\r\n", 400),
    ],
    ids=["many", "no upgrade", "no version", "two keys", "folded", "spaced", "length", "chunked", "bare LF"],
)
async def test_an_ambiguous_request_is_refused(
    transports: str, serve: Serve, head: bytes, expected: int
) -> None:
    server = await serve(max_header_bytes=64 * 1024)
    assert await status(server, head) == expected
    assert server.clients == set()
    await (await raw_client(server)).close()


async def test_a_second_request_behind_an_upgrade_is_read_as_frames(
    transports: str, serve: Serve, reports: Reports
) -> None:
    error = asyncio.get_running_loop().create_future()
    requests: list[str] = []

    def on_connection(ws: Any, request: Any) -> None:
        requests.append(request.url)
        ws.on("error", error.set_result)

    server = await serve(on_connection)
    peer = await connect(server)
    peer.write(upgrade_request() + upgrade_request("/second"))
    assert (await within(error)).code.startswith("WS_ERR_")
    assert (await peer.rest()).count(b"HTTP/1.1") == 1
    assert requests == ["/"]
    await peer.close()


BAD = ["a\r\nX: y", "a\nb", "a\0b", "a\rb"]


@pytest.mark.parametrize("bad", BAD)
async def test_no_option_of_a_client_breaks_out_of_its_header_line(
    transports: str, raw_server: RawServer, reports: Reports, bad: str
) -> None:
    options: list[dict[str, Any]] = [
        {"headers": {"X": bad}},
        {"headers": {bad: "x"}},
        {"origin": bad},
        {"protocols": [bad]},
    ]
    for each in options:
        with pytest.raises(ValueError, match=r"control characters|token|subprotocol"):
            wsrs.WebSocket(raw_server.url, cast(Any, each))


@pytest.mark.parametrize("bad", BAD)
async def test_no_value_of_a_hook_breaks_out_of_the_servers_answer(
    transports: str, serve: Serve, reports: Reports, bad: str
) -> None:
    server = await serve(handle_protocols=lambda protocols, request: bad)
    assert await status(server, upgrade_request(sec_websocket_protocol="a")) == 500
    assert isinstance(reports.take()["exception"], ValueError)
    server = await serve(verify_client=lambda info, decided: decided(False, 401, "no", {"X": bad}))
    assert await status(server, upgrade_request()) == 500
    assert isinstance(reports.take()["exception"], ValueError)


async def test_an_origin_that_is_not_ours_gets_401(transports: str, serve: Serve) -> None:
    server = await serve(verify_client=lambda info: info.origin == "https://ours.example")
    assert await status(server, upgrade_request(origin="https://theirs.example")) == 401
    assert await status(server, upgrade_request()) == 401
    assert await status(server, upgrade_request(origin="https://ours.example")) == 101


async def test_a_slow_request_ends_at_its_deadline(transports: str, serve: Serve) -> None:
    server = await serve(handshake_timeout=0.2)
    peer = await connect(server)
    begin = time.monotonic()

    async def dribble() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in upgrade_request():
                peer.write(bytes([byte]))
                await peer.writer.drain()
                await asyncio.sleep(0.02)

    dribbling = asyncio.ensure_future(dribble())
    assert (await peer.head())[0] == "HTTP/1.1 408 Request Timeout"
    assert time.monotonic() - begin < 2
    dribbling.cancel()
    await peer.close()


async def test_half_of_a_tls_hello_ends_at_the_deadline(serve: Serve, reports: Reports) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = await serve(handshake_timeout=0.2, ssl=context)
    peer = await connect(server)
    peer.write(b"\x16\x03\x01\x02\x00\x01")
    assert await peer.rest_or_reset() == b""
    await peer.close()
