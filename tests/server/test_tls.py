"""A server with its own TLS: handshakes that do not come, and answers that end the connection."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Serve
from ..peers import connect, port_of, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.mark.parametrize(
    ("request_bytes", "status"), [(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"426"), (upgrade_request(), b"401")]
)
async def test_an_answer_that_refuses_ends_the_tls_connection(
    serve: Serve, request_bytes: bytes, status: bytes
) -> None:
    async def verify(info: Any) -> bool:
        await asyncio.sleep(0)
        return False

    server = await serve(ssl=serving(), verify_client=verify)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    reader, writer = await asyncio.open_connection("localhost", port_of(server), ssl=trusting)
    writer.write(request_bytes)
    assert (await within(reader.read())).split()[1] == status
    writer.close()
    server.close()
    await within(server.wait_closed())


async def test_a_peer_that_never_ends_its_tls_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an answer, the server waits no longer for the end of TLS than for that of TCP."""
    monkeypatch.setattr("wsrs.http._ending._LINGER", 0.1)
    server = await serve(ssl=serving())
    reader, writer = await asyncio.open_connection("localhost", port_of(server))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
    done = False
    while not done:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await within(reader.read(65536)))
    client.write(b"BAD\r\n\r\n")
    writer.write(outgoing.read())
    # The peer gets the answer and the end of TLS, and does not react; then the connection ends.
    while await within(reader.read(65536), 10):
        pass
    writer.close()
    await within(server.shutdown(), 10)


async def test_a_silent_client_meets_the_deadline_of_the_tls_handshake(serve: Serve) -> None:
    peer = await connect(await serve(ssl=serving(), handshake_timeout=0.05))
    assert await peer.at_end()
    await peer.close()
