"""Clients that hang up while `verify_client` decides: they get no connection."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wsrs._net.hang_up import has_hung_up

from ..conftest import Serve
from ..peers import Peer, connect, listen, port_of, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 -- the kernel and the transport set no event
        await asyncio.sleep(0.001)


async def hung_up(transport: asyncio.Transport) -> None:
    """Wait until the kernel has the peer's FIN or reset."""
    sock = transport.get_extra_info("socket")
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    await within(until(lambda: poll.poll(0)))


def upgrading(server: Any, connections: list[Any]) -> Any:
    """The callback of a server of asyncio's streams, which hands all of its requests to `server`."""

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        request = SimpleNamespace(method="GET", url="/", headers=fields, socket=writer.transport)
        server.handle_upgrade(request, writer, b"", lambda ws, request: connections.append(ws))

    return came


@pytest.mark.parametrize("how", ["FIN", "reset"])
@pytest.mark.parametrize("transport", ["plain", "tls", "streams"])
async def test_a_client_that_has_left_gets_no_connection(serve: Serve, transport: str, how: str) -> None:
    verdicts: asyncio.Queue[Any] = asyncio.Queue()
    connections: list[Any] = []
    options: dict[str, Any] = {"max_connections": 1}
    trusting = None
    if transport == "tls":
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(CERTIFICATE)
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))

    def verify(info: Any, decided: Any) -> None:
        verdicts.put_nowait((info, decided))

    server = await serve(
        lambda ws, request: connections.append(ws), verify_client=verify, handshake_timeout=0, **options
    )
    port = port_of(server)
    listener = None
    if transport == "streams":
        listener = await asyncio.start_server(upgrading(server, connections), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("localhost", port, ssl=trusting, family=2)
    writer.write(upgrade_request())
    info, decided = await within(verdicts.get())
    if how == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    else:
        writer.close()
    if listener is None:
        await within(until(info.req.socket.is_closing))
    else:
        await hung_up(info.req.socket)
    decided(True)
    assert (connections, server.clients) == ([], set())
    # Its place is free, and others come in as before.
    peer = Peer(*await asyncio.open_connection("localhost", port_of(server), ssl=trusting))
    peer.write(upgrade_request())
    _, decided = await within(verdicts.get())
    decided(True)
    assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
    assert len(connections) == 1
    peer.reset()
    if listener is not None:
        listener.close()


async def test_a_client_that_has_sent_something_before_its_fin_is_heard(serve: Serve) -> None:
    verdict = asyncio.get_running_loop().create_future()
    server = await serve(verify_client=lambda info, decided: verdict.set_result((info, decided)))
    connection = listen(server, "connection")
    peer = await connect(server)
    peer.write(upgrade_request())
    info, decided = await within(verdict)
    peer.hang_up(b"\x81\x81\0\0\0\0a")
    await hung_up(info.req.socket)
    decided(True)
    ws, _ = await within(connection)
    assert await within(ws.recv()) == "a"
    await peer.close()


async def test_where_the_system_cannot_tell_nobody_has_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    transport: Any = SimpleNamespace(get_extra_info=lambda name: None)
    assert not has_hung_up(transport)
    near, far = socket.socketpair()
    transport = SimpleNamespace(get_extra_info=lambda name: near)
    assert not has_hung_up(transport)
    far.send(b"x")
    assert not has_hung_up(transport)
    near.recv(1)
    far.close()
    assert has_hung_up(transport)
    monkeypatch.delattr(socket, "MSG_DONTWAIT")
    assert not has_hung_up(transport)
    near.close()
