"""`open_websocket`, without an opening handshake before it."""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import wsrs
from wsrs._options.client import CLIENT
from wsrs._websocket.opening import Opening, connection_options, keep_alive, open_websocket

from ..conftest import Reports
from ..peers import TEXT, Peer, close_frame, frame, listen, within

OPTIONS = dict(CLIENT.resolve(None, {}))


class Side:
    """Stands for the server of a WebSocket, and records the calls that it gets."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.connection_options = connection_options(OPTIONS, loop, is_server=True)
        self.told: list[tuple[str, int]] = []

    def came(self, ws: Any) -> None:
        self.told.append(("came", ws.ready_state))

    def closing(self, ws: Any) -> None:
        self.told.append(("closing", ws.ready_state))

    def gone(self, ws: Any) -> None:
        self.told.append(("gone", ws.ready_state))


async def connected() -> tuple[asyncio.Transport, Peer]:
    """A transport and the other end of its connection."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    return transport, Peer(reader, writer)


class TestOpenWebSocket:
    async def test_a_servers_websocket_is_opened_and_its_server_is_notified(self, reports: Reports) -> None:
        transport, peer = await connected()
        side = Side()
        seen: list[Any] = []

        class Mine(wsrs.WebSocket):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                self.on("open", lambda: seen.append(("open", list(side.told))))

        def announce(ws: wsrs.WebSocket) -> None:
            seen.append(("announced", list(side.told)))
            ws.on("message", lambda data, is_binary: seen.append(data))

        opening = Opening(
            transport,
            OPTIONS,
            head=frame(TEXT, b"early"),
            protocol="chat",
            server=side,
            answer=b"welcome\r\n\r\n",
        )
        ws = open_websocket(Mine, opening, announce)
        assert type(ws) is Mine
        assert (ws.ready_state, ws.protocol, ws.extensions, ws.url) == (wsrs.OPEN, "chat", {}, None)
        assert seen == [("open", []), ("announced", [("came", wsrs.OPEN)])]
        await within(listen(ws, "message"))
        assert seen[2:] == [b"early"]
        assert (await peer.head())[0] == "welcome"
        peer.write(close_frame(4000, b"bye"))
        closed = listen(ws, "close")
        assert (await peer.frame()).payload == b"\x0f\xa0bye"
        assert await peer.at_end()
        await peer.close()
        assert await within(closed) == (4000, b"bye")
        assert side.told == [("came", wsrs.OPEN), ("closing", wsrs.CLOSING), ("gone", wsrs.CLOSED)]

    async def test_a_clients_websocket_is_opened(self, reports: Reports) -> None:
        transport, peer = await connected()
        ws = open_websocket(wsrs.WebSocket, Opening(transport, OPTIONS))
        await within(ws.wait_open())
        ws.send("hi")
        sent = await peer.frame()
        assert (sent.opcode, sent.payload, sent.masked) == (TEXT, b"hi", True)
        peer.write(frame(TEXT, b"ho", mask=None))
        assert await within(ws.recv()) == "ho"
        ws.close(1000)
        await peer.frame()
        peer.hang_up(close_frame(1000, mask=None))
        await within(ws.wait_closed())
        assert ws.stats().code == 1000
        await peer.close()

    async def test_messages_are_delivered_although_the_announcement_raises(self, reports: Reports) -> None:
        transport, peer = await connected()
        made: list[wsrs.WebSocket] = []

        def announce(ws: wsrs.WebSocket) -> None:
            made.append(ws)
            raise KeyError("announce")

        opening = Opening(transport, OPTIONS, head=frame(TEXT, b"early"), server=Side())
        with pytest.raises(KeyError, match="announce"):
            open_websocket(wsrs.WebSocket, opening, announce)
        assert await within(made[0].recv()) == "early"
        await peer.close()

    @pytest.mark.parametrize("end", ["close", "terminate"])
    async def test_a_websocket_that_its_constructor_ends_never_opens(
        self, reports: Reports, end: str
    ) -> None:
        transport, peer = await connected()
        seen: list[Any] = []

        class Mine(wsrs.WebSocket):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                for event in ("open", "error", "close"):
                    self.on(event, lambda *args, event=event: seen.append((event, *args)))
                getattr(self, end)()
                assert self.ready_state == wsrs.CLOSING

        side = Side()
        opening = Opening(transport, OPTIONS, server=side, answer=b"welcome")
        ws = open_websocket(Mine, opening, seen.append)
        await within(ws.wait_closed())
        (error, raised), closed = seen
        assert (error, closed) == ("error", ("close", 1006, b""))
        assert isinstance(raised, wsrs.HandshakeError)
        assert side.told == []
        assert await peer.rest_or_reset() == b""
        await peer.close()

    async def test_kept_objects_live_as_long_as_their_websocket(
        self, reports: Reports, collect: Callable[[], int]
    ) -> None:
        transport, peer = await connected()
        ws = open_websocket(wsrs.WebSocket, Opening(transport, OPTIONS))
        things = [Side(), Side()]
        references = [weakref.ref(each) for each in things]
        while things:
            keep_alive(ws, things.pop())
        collect()
        assert None not in [reference() for reference in references]
        ws.terminate()
        await within(ws.wait_closed())
        await peer.close()
        del ws
        collect()
        assert [reference() for reference in references] == [None, None]
