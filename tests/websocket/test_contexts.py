"""Context variables: the listeners and callbacks of a connection run in a context of its own."""

from __future__ import annotations

import asyncio
import zlib
from contextvars import ContextVar
from typing import Any

import pytest

import wsrs

from ..conftest import Serve
from ..peers import (
    BINARY,
    PING,
    PONG,
    TEXT,
    RawServer,
    close_frame,
    frame,
    listen,
    raw_client,
    within,
)

USER: ContextVar[str] = ContextVar("USER", default="nobody")


class TestAfterTheProgramSCalls:
    """What another task does with a connection does not move it to the context of that task."""

    @pytest.fixture
    async def held(self, serve: Serve, transports: str) -> Any:
        """The server's end of a connection of Alice, its peer, and the users that its listeners see."""
        seen: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

        def on_connection(ws: Any, request: Any) -> None:
            USER.set(request.url)
            for event in ("message", "close"):
                ws.on(event, lambda *args, event=event: seen.put_nowait((event, USER.get())))

        server = await serve(on_connection, per_message_deflate=True)
        came = listen(server, "connection")
        peer = await raw_client(server, "/alice", sec_websocket_extensions="permessage-deflate")
        USER.set("another task")
        yield (await within(came))[0], peer, seen
        await peer.close()

    async def test_pause_and_resume(self, held: Any) -> None:
        ws, peer, seen = held
        for _ in range(2):
            ws.pause()
            peer.write(frame(TEXT, b"x"))
            await asyncio.sleep(0)
            ws.resume()
            assert await within(seen.get()) == ("message", "/alice")

    async def test_terminate(self, held: Any) -> None:
        ws, _, seen = held
        ws.terminate()
        assert await within(seen.get()) == ("close", "/alice")

    async def test_close(self, held: Any) -> None:
        ws, peer, seen = held
        ws.close(1000)
        peer.hang_up(close_frame(1000))
        assert await within(seen.get()) == ("close", "/alice")

    async def test_a_message_that_a_thread_inflates_and_those_behind_it(self, held: Any) -> None:
        _, peer, seen = held
        engine = zlib.compressobj(6, zlib.DEFLATED, -15)
        data = engine.compress(bytes(1_000_000)) + engine.flush(zlib.Z_SYNC_FLUSH)
        peer.write(frame(BINARY, data[:-4], rsv=0x40) + frame(TEXT, b"behind"))
        for _ in range(2):
            assert await within(seen.get()) == ("message", "/alice")

    async def test_messages_that_waited_for_a_listener(self, held: Any) -> None:
        ws, peer, seen = held
        ws.remove_all_listeners("message")
        peer.write(frame(TEXT, b"x") + frame(PING))
        await peer.frame()
        ws.on("message", lambda *args: seen.put_nowait(("message", USER.get())))
        peer.write(frame(TEXT, b"y"))
        assert await within(seen.get()) == ("message", "/alice")


class TestClients:
    async def test_a_client_has_the_context_in_which_it_was_made(
        self, raw_server: RawServer, transports: str
    ) -> None:
        seen: list[tuple[str, str]] = []

        async def begin(name: str) -> Any:
            USER.set(name)

            def asked(request: Any, ws: Any) -> None:
                request.on("socket", lambda transport: seen.append((name, USER.get())))
                request.end()

            ws = wsrs.WebSocket(
                raw_server.url,
                finish_request=asked,
            )
            for event in ("upgrade", "open", "message", "ping", "close"):
                ws.on(event, lambda *args: seen.append((name, USER.get())))
            USER.set("set since")
            await within(ws.wait_open())
            return ws

        names = ("first", "second")
        begun = [asyncio.create_task(begin(name)) for name in names]
        peers = [await raw_server.accept(then=frame(TEXT, b"x", mask=None)) for _ in names]
        clients = [await each for each in begun]
        for peer in peers:
            peer.hang_up(frame(PING, mask=None) + close_frame(mask=None))
        for client in clients:
            await within(client.wait_closed())
        assert sorted(seen) == [(name, name) for name in names for _ in range(6)]

    async def test_what_a_coroutine_listener_of_open_sets(self, raw_server: RawServer) -> None:
        seen: list[str] = []
        ws = wsrs.WebSocket(raw_server.url)
        is_set = asyncio.Event()

        @ws.on("open")
        async def _() -> None:
            await asyncio.sleep(0)
            USER.set("alice")
            is_set.set()

        ws.on("message", lambda data, is_binary: seen.append(USER.get()))
        peer = await raw_server.accept()
        await within(is_set.wait())
        peer.hang_up(frame(TEXT, b"x", mask=None) + close_frame(mask=None))
        await within(ws.wait_closed())
        assert seen == ["alice"]
        assert USER.get() == "nobody"

    async def test_the_failure_of_a_handshake(self, raw_server: RawServer) -> None:
        seen: list[str] = []
        USER.set("alice")
        ws = wsrs.WebSocket(raw_server.url)
        for event in ("error", "close"):
            ws.on(event, lambda *args: seen.append(USER.get()))
        USER.set("set since")
        await (await raw_server.peer()).close()
        await within(ws.wait_closed())
        assert seen == ["alice", "alice"]

    async def test_the_failure_of_a_listener_s_task(self, raw_server: RawServer) -> None:
        user: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ws = wsrs.WebSocket(raw_server.url)

        async def fails(data: bytes, is_binary: bool) -> None:
            USER.set("the task")
            raise LookupError

        ws.on("message", fails)
        ws.on("open", lambda: USER.set("alice"))
        ws.on("error", lambda error: user.set_result(USER.get()))
        peer = await raw_server.accept(then=frame(TEXT, b"x", mask=None))
        assert await within(user) == "alice"
        await peer.close()

    async def test_generate_mask_for_what_is_sent_by_itself(
        self, raw_server: RawServer, transports: str
    ) -> None:
        seen: list[str] = []
        ws = wsrs.WebSocket(raw_server.url, generate_mask=lambda key: seen.append(USER.get()), heartbeat=0.05)
        ws.on("open", lambda: USER.set("alice"))
        peer = await raw_server.accept(then=frame(PING, b"x", mask=None))
        assert [(await peer.frame()).opcode for _ in range(2)] == [PONG, PING]
        assert seen == ["alice", "alice"]
        ws.terminate()
        await within(ws.wait_closed())
