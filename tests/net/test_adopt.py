"""Connections that move from a transport of the loop to the engine, by `handle_upgrade`, and those that stay.

On the pure core all of them stay; the same must be seen there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import random
import socket
import ssl
import weakref
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs._active_core import core
from wsrs._net.adopt import move_to_engine, was_moved
from wsrs._websocket.access import transport as transport_of
from wsrs.http import Request

from ..conftest import Reports
from ..hosts import (
    FIELDS,
    FRAMES,
    HEAD,
    MESSAGES,
    Handing,
    Host,
    can_move,
    descriptors,
    is_moved,
    no_descriptor_free,
    request_by,
)
from ..peers import TEXT, Peer, frame, listen, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


@pytest_asyncio.fixture
async def handing(reports: Reports) -> AsyncIterator[Handing]:
    one = Handing(wsrs.WebSocketServer(no_server=True))
    await one.begin()
    yield one
    one.client.close()
    one.host.transport.abort()
    for ws in one.server.clients:
        ws.terminate()
        await within(ws.wait_closed())


class TestBytesAcrossTheChange:
    """The peer writes when it wants: no byte is lost, none comes twice, none too early."""

    async def across(self, server: wsrs.WebSocketServer, pieces: list[bytes]) -> None:
        """Send `pieces`: the first with the head, the next during the change, the others after it."""
        one = Handing(server)
        await one.begin()
        first, before, between, *others = pieces

        def during(lines: Any, request: Any) -> None:
            one.client.sendall(before)

        server.on("headers", during)
        one.on_open = lambda: one.client.sendall(between)
        one.client.sendall(HEAD + first)
        ws = await within(one.opened)
        server.off("headers", during)
        assert is_moved(ws) == can_move()
        for each in others:
            one.client.sendall(each)
            await asyncio.sleep(0)
        await within(one.last)
        assert one.messages == MESSAGES
        await one.end()

    async def test_one_by_one_at_every_boundary(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        for cut in range(len(FRAMES) - 1):
            rest = [FRAMES[place : place + 1] for place in range(cut, min(cut + 20, len(FRAMES)))]
            await self.across(server, [FRAMES[:cut], *rest, FRAMES[cut + 20 :]])

    @pytest.mark.parametrize("seed", range(5))
    async def test_at_random_cuts(self, reports: Reports, seed: int) -> None:
        """10,000 in total on each loop: 5 times 500 connections, each of which is cut 4 times."""
        choose = random.Random(seed)
        server = wsrs.WebSocketServer(no_server=True)
        for _ in range(500):
            cuts = [0, *sorted(choose.choices(range(len(FRAMES) + 1), k=4)), len(FRAMES)]
            await self.across(server, [FRAMES[a:b] for a, b in pairwise(cuts)])

    async def test_while_a_verdict_is_to_come(self, reports: Reports) -> None:
        choose = random.Random(5)
        asked: asyncio.Queue[Any] = asyncio.Queue()
        server = wsrs.WebSocketServer(no_server=True, verify_client=lambda info, cb: asked.put_nowait(cb))
        for _ in range(200):
            one = Handing(server)
            await one.begin()
            first, second = sorted(choose.choices(range(len(FRAMES) + 1), k=2))
            one.client.sendall(HEAD + FRAMES[:first])
            decide = await within(asked.get())
            one.client.sendall(FRAMES[first:second])
            await asyncio.sleep(0)
            decide(True)
            one.client.sendall(FRAMES[second:])
            await within(one.last)
            assert one.messages == MESSAGES
            assert is_moved(await one.opened) == can_move()
            await one.end()

    async def test_a_client_that_leaves_during_the_change(self, handing: Handing) -> None:
        handing.on_open = handing.client.close
        handing.client.sendall(HEAD + FRAMES)
        ws = await within(handing.opened)
        await within(ws.wait_closed())
        assert handing.messages == MESSAGES


class TestWhatIsSeen:
    async def test_the_transport_answers_as_before(self, reports: Reports) -> None:
        host: list[Host] = []
        came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = wsrs.WebSocketServer(no_server=True)

        def hand_over(request: Request, rest: bytes) -> None:
            old = request.socket
            names = {name: old.get_extra_info(name) for name in ("peername", "sockname", "sslcontext")}
            server.handle_upgrade(request, old, rest, lambda *args: came.set_result((*args, names)))

        def make() -> Host:
            host.append(Host(hand_over))
            return host[0]

        listening = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        peer = Peer(*await asyncio.open_connection(*listening.sockets[0].getsockname()))
        peer.write(HEAD)
        ws, request, names = await within(came)
        assert is_moved(ws) == can_move()
        new: Any = transport_of(ws)
        assert request.socket is new
        assert {name: new.get_extra_info(name) for name in names} == names
        sock = new.get_extra_info("socket")
        assert (sock.getpeername(), sock.getsockname()) == (names["peername"], names["sockname"])
        assert repr(ws) == f"<WebSocket from 127.0.0.1:{names['peername'][1]} OPEN>"
        listening.close()
        await peer.close()
        await within(ws.wait_closed())

    async def test_the_old_transport_is_closed_and_its_protocol_hears_nothing(self, handing: Handing) -> None:
        handing.client.sendall(HEAD)
        ws = await within(handing.opened)
        assert handing.host.transport.is_closing() == can_move()
        assert was_moved(handing.host.transport) == can_move()
        with pytest.raises(RuntimeError, match="called more than once with the same socket"):
            handing.server.handle_upgrade(handing.request, handing.host.transport)
        handing.client.sendall(FRAMES)
        await within(handing.last)
        handing.client.close()
        await within(ws.wait_closed())
        assert not handing.host.lost.done()
        assert handing.host.data == HEAD

    async def test_the_request_of_a_host_is_left_as_it_is(self, handing: Handing) -> None:
        class Theirs:
            method, url, headers = "GET", "/", dict(FIELDS)
            __slots__ = ()

        handing.server.handle_upgrade(Theirs(), handing.host.transport)
        (ws,) = handing.server.clients
        handing.client.sendall(frame(TEXT, b"one"))
        assert await within(ws.recv()) == "one"

    async def test_the_host_is_done_with_it(self, reports: Reports) -> None:
        """Its server closes at once, and neither it nor the WebSocket leaves a descriptor."""
        counted = []
        for _ in range(3):
            await self.by_streams()
            counted.append(descriptors())
        assert counted[1] == counted[2]  # the first time, both loops open descriptors of their own

    async def by_streams(self) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        came = listen(server, "connection")
        opened: Any = partial(server.emit, "connection")

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            server.handle_upgrade(request_by(writer), writer, b"", opened)

        listening = await asyncio.start_server(accept, "127.0.0.1", 0)
        peer = Peer(*await asyncio.open_connection(*listening.sockets[0].getsockname()))
        peer.write(HEAD)
        await peer.head()
        ws, _ = await within(came)
        gc.collect()  # the streams of the host, which the WebSocket needs only without an engine
        listening.close()
        if can_move():
            await within(listening.wait_closed())
        peer.write(FRAMES)
        assert await within(ws.recv()) == "one"
        await peer.close()
        await within(ws.wait_closed())
        await within(listening.wait_closed())

    async def test_the_streams_of_the_host_are_not_kept(self, reports: Reports) -> None:
        server = wsrs.WebSocketServer(no_server=True)
        kept: list[weakref.ref[Any]] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            kept.append(weakref.ref(writer))
            server.handle_upgrade(request_by(writer), writer)

        listening = await asyncio.start_server(accept, "127.0.0.1", 0)
        peer = Peer(*await asyncio.open_connection(*listening.sockets[0].getsockname()))
        peer.write(HEAD)
        await peer.head()
        (ws,) = server.clients
        gc.collect()
        assert (kept[0]() is None) == can_move()
        peer.write(FRAMES)
        assert await within(ws.recv()) == "one"
        listening.close()
        await peer.close()


class TestWhatStays:
    """A connection that cannot move keeps the loop's transport, and nothing else is seen of it."""

    async def stays(self, handing: Handing) -> None:
        handing.client.sendall(HEAD + FRAMES[:100])
        ws = await within(handing.opened)
        assert not is_moved(ws)
        assert not was_moved(handing.host.transport)
        assert handing.request.socket is handing.host.transport
        handing.client.sendall(FRAMES[100:])
        await within(handing.last)
        assert handing.messages == MESSAGES

    async def test_without_an_engine(self, handing: Handing, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(core, "reactor", lambda loop: None)
        await self.stays(handing)

    async def test_when_the_process_is_out_of_descriptors(self, handing: Handing) -> None:
        def refuse(lines: Any, request: Any) -> None:
            full.enter_context(no_descriptor_free())

        can_move()  # the engine is made here: it would need descriptors of its own
        before = descriptors()
        handing.server.on("headers", refuse)
        with contextlib.ExitStack() as full:
            await self.stays(handing)
        assert descriptors() == before

    async def test_when_the_engine_refuses(self, handing: Handing, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full:
            def adopt(self, sock: socket.socket, protocol: Any) -> Any:
                raise OSError(errno.ENOSPC, "too many watches")

        before = descriptors()
        monkeypatch.setattr(core, "reactor", lambda loop: Full())
        await self.stays(handing)
        assert descriptors() == before

    async def test_with_bytes_that_the_host_has_still_to_write(self, handing: Handing) -> None:
        interim = b"x" * 4_000_000

        def slow(lines: Any, request: Any) -> None:
            handing.host.transport.write(interim)
            assert handing.host.transport.get_write_buffer_size() > 0

        handing.server.on("headers", slow)
        await self.stays(handing)
        handing.client.setblocking(False)
        peer = Peer(*await asyncio.open_connection(sock=handing.client))
        assert await within(peer.reader.readexactly(len(interim))) == interim
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    async def test_with_a_transport_of_another_class(self, handing: Handing) -> None:
        class Own(asyncio.Transport):
            """Another program's transport, which might transform the bytes."""

            def __init__(self, transport: Any) -> None:
                super().__init__()
                self.plain = transport

            def __getattribute__(self, name: str) -> Any:
                if name in ("plain", "__class__"):
                    return super().__getattribute__(name)
                return getattr(self.plain, name)

        handing.host.transport = Own(handing.host.transport)
        await self.stays(handing)

    async def test_with_a_socket_that_is_no_stream(self, reports: Reports) -> None:
        loop: Any = asyncio.get_running_loop()
        if not hasattr(loop, "_make_socket_transport"):  # uvloop makes none of these
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.setblocking(False)
            transport = loop._make_socket_transport(ours, asyncio.Protocol())
            assert move_to_engine(transport, loop) is transport
            assert not transport.is_closing()
            transport.abort()
            await asyncio.sleep(0)

    async def test_with_tls(self, reports: Reports) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        context.num_tickets = 0  # they would be in the write buffer, which is a reason of its own
        one = Handing(wsrs.WebSocketServer(no_server=True))
        listening = await asyncio.get_running_loop().create_server(
            lambda: one.host, "127.0.0.1", 0, ssl=context
        )
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        address = listening.sockets[0].getsockname()
        peer = Peer(*await asyncio.open_connection(*address, ssl=trusting, server_hostname="localhost"))
        peer.write(HEAD + FRAMES)
        ws = await within(one.opened)
        await within(one.last)
        assert (one.messages, is_moved(ws)) == (MESSAGES, False)
        assert one.request.socket.get_extra_info("sslcontext") is context
        listening.close()
        await peer.close()

    async def test_when_a_hook_closes_the_transport(self, handing: Handing) -> None:
        handing.server.on("headers", lambda lines, request: handing.host.transport.close())
        handing.client.sendall(HEAD)
        ws = await within(handing.opened)
        await within(ws.wait_closed())
        assert handing.client.recv(1000) == b""

    @pytest.mark.parametrize("constructor", ["raises", "closes"])
    async def test_when_a_hook_ends_it(self, reports: Reports, constructor: str) -> None:
        """The host hears of the end, as it reads on until then."""

        class Own(wsrs.WebSocket):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                if constructor == "raises":
                    raise ValueError("no")
                self.on("error", lambda error: None)
                self.terminate()

        one = Handing(wsrs.WebSocketServer(no_server=True, web_socket=Own))
        await one.begin()
        one.client.sendall(HEAD)
        await within(one.host.lost)
        one.client.setblocking(True)
        answer = one.client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 500 " if constructor == "raises" else b"")
        assert not one.opened.done()
        if constructor == "raises":
            assert str(reports.take()["exception"]) == "no"
        one.client.close()
