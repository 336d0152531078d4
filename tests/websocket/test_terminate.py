"""`terminate`: what was sent before it in the same tick goes out, as in ws. It waits for nothing else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import BINARY, CLOSE, Peer, RawServer, connect, frame, listen, port_of, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"

Told = list[BaseException | None]


def end_at_once(ws: Any, told: Told) -> None:
    ws.terminate()


def send_and_end(ws: Any, told: Told) -> None:
    ws.send(b"bye", callback=told.append)
    ws.terminate()


def close_and_end(ws: Any, told: Told) -> None:
    ws.close(4000)
    ws.terminate()


@pytest.fixture(params=["plain", "tls"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "plain":
        return {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return {"ssl": context}


@pytest.mark.parametrize(
    ("end", "frames", "reports_writing"),
    [
        (end_at_once, b"", []),
        (send_and_end, frame(BINARY, b"bye", mask=None), [None]),
        (close_and_end, frame(CLOSE, b"\x0f\xa0", mask=None), []),
    ],
)
async def test_in_connection_it_takes_back_neither_the_101_nor_what_was_sent(
    serve: Serve,
    options: dict[str, Any],
    end: Callable[[Any, Told], None],
    frames: bytes,
    reports_writing: Told,
) -> None:
    told: Told = []
    server = await serve(lambda ws, request: end(ws, told), **options)
    if options:
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        streams = await asyncio.open_connection("localhost", port_of(server), ssl=trusting)
        peer = Peer(*streams)
    else:
        peer = await connect(server)
    peer.write(upgrade_request())
    first, _ = await peer.head()
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert await peer.rest_or_reset() == frames
    await peer.close()
    assert told == reports_writing


async def test_a_client_sends_what_it_sent_before_too(raw_server: RawServer, reports: Reports) -> None:
    told: Told = []
    ws = wsrs.WebSocket(raw_server.url, generate_mask=lambda key: None)
    ws.on("open", lambda: send_and_end(ws, told))
    closed = listen(ws, "close")
    peer = await raw_server.accept()
    assert await peer.rest_or_reset() == frame(BINARY, b"bye", mask=bytes(4))
    assert await within(closed) == (1006, b"")
    assert told == [None]


async def test_it_waits_for_no_peer_that_does_not_read(serve: Serve) -> None:
    connected: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server = await serve(lambda ws, request: connected.set_result(ws))
    peer = await connect(server)
    peer.write(upgrade_request())
    ws = await within(connected)
    told: Told = []
    size = 32 * 1024 * 1024
    ws.send(bytes(size), callback=told.append)
    ws.terminate()
    await within(ws.wait_closed())
    assert len(await peer.rest_or_reset()) < size
    assert [type(error) for error in told] == [wsrs.ConnectionClosed]
    await peer.close()


async def test_what_a_program_writes_and_aborts_itself_goes_out_as_far_as_it_can(serve: Serve) -> None:
    def refuse(error: Exception, transport: asyncio.Transport, request: Any) -> None:
        transport.write(b"HTTP/1.1 418 I'm a teapot\r\n\r\n")
        transport.abort()

    server = await serve()
    server.on("wsClientError", refuse)
    peer = await connect(server)
    peer.write(upgrade_request(method="PUT"))
    assert await peer.rest_or_reset() == b"HTTP/1.1 418 I'm a teapot\r\n\r\n"
    await peer.close()
