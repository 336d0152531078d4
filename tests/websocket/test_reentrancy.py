"""Listeners that call methods: nothing that a listener does disturbs the connection or the other
listeners."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    PING,
    TEXT,
    close_frame,
    connect,
    frame,
    listen,
    raw_client,
    upgrade_request,
    within,
)


class TestInAMessageListener:
    async def test_a_listener_may_remove_itself_and_add_another(self, serve: Serve) -> None:
        seen: list[Any] = []
        done = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            def first(data: bytes, is_binary: bool) -> None:
                seen.append(("first", data))
                ws.off("message", first)
                ws.on("message", second)

            def second(data: bytes, is_binary: bool) -> None:
                seen.append(("second", data))
                done.set()

            ws.on("message", first)

        server = await serve(on_connection)
        peer = await raw_client(server, then=frame(TEXT, b"1") + frame(TEXT, b"2"))
        await within(done.wait())
        assert seen == [("first", b"1"), ("second", b"2")]
        await peer.close()

    async def test_a_once_listener_gets_one_of_many_messages(self, serve: Serve) -> None:
        seen: list[Any] = []
        server = await serve(
            lambda ws, request: ws.once("message", lambda data, is_binary: seen.append(data))
        )
        peer = await raw_client(server, then=frame(TEXT, b"1") + frame(TEXT, b"2") + frame(PING))
        await peer.frame()
        assert seen == [b"1"]
        await peer.close()

    async def test_a_listener_that_raises_gets_the_next_message_too(
        self, serve: Serve, reports: Reports
    ) -> None:
        seen: list[Any] = []

        def fails(data: bytes, is_binary: bool) -> None:
            seen.append(data)
            raise KeyError(data)

        server = await serve(lambda ws, request: ws.on("message", fails))
        peer = await raw_client(server, then=frame(TEXT, b"1") + frame(TEXT, b"2") + frame(PING))
        await peer.frame()
        assert seen == [b"1", b"2"]
        assert [reports.take()["exception"].args for _ in range(2)] == [(b"1",), (b"2",)]
        await peer.close()

    async def test_a_coroutine_function_may_be_a_message_listener(self, serve: Serve) -> None:
        async def answer(data: bytes, is_binary: bool) -> None:
            await sockets[0].send(b"heard " + data)

        sockets: list[wsrs.WebSocket] = []
        server = await serve(lambda ws, request: sockets.append(ws.on("message", answer)))
        peer = await raw_client(server)
        peer.write(frame(TEXT, b"1"))
        assert (await peer.frame()).payload == b"heard 1"
        await peer.close()

    async def test_the_exception_of_a_coroutine_listener_goes_to_error(self, serve: Serve) -> None:
        error = asyncio.get_running_loop().create_future()

        async def fails(data: bytes, is_binary: bool) -> None:
            raise KeyError(data)

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", fails).on("error", error.set_result)

        peer = await raw_client(await serve(on_connection), then=frame(TEXT, b"1"))
        assert (await within(error)).args == (b"1",)
        await peer.close()

    @pytest.mark.parametrize("listeners", [1, 2])
    async def test_terminate_in_a_listener_stops_the_delivery(self, serve: Serve, listeners: int) -> None:
        events: list[Any] = []
        closed = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            def terminate(data: bytes, is_binary: bool) -> None:
                events.append(data)
                ws.terminate()
                ws.terminate()
                ws.close()
                ws.send("too late")

            for _ in range(listeners):
                ws.on("message", terminate)
            ws.on("close", lambda code, reason: events.append(code))
            ws.on("close", lambda code, reason: closed.set())

        peer = await raw_client(await serve(on_connection))
        peer.write(frame(TEXT, b"1"))
        await within(closed.wait())
        assert events == [b"1"] * listeners + [1006]
        assert await peer.at_end()
        await peer.close()

    async def test_close_in_a_listener_lets_arrived_messages_be_delivered(self, serve: Serve) -> None:
        events: list[Any] = []
        closed = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            def close(data: bytes, is_binary: bool) -> None:
                events.append(data)
                ws.close(4000)

            ws.on("message", close)
            ws.on("close", lambda code, reason: events.append(code))
            ws.on("close", lambda code, reason: closed.set())

        peer = await raw_client(await serve(on_connection))
        peer.hang_up(frame(TEXT, b"1") + frame(TEXT, b"2") + close_frame(4000))
        await within(closed.wait())
        assert events == [b"1", b"2", 4000]
        await peer.close()

    async def test_pause_in_a_listener_holds_the_next_message_back(self, serve: Serve) -> None:
        seen: list[Any] = []
        second = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            def listener(data: bytes, is_binary: bool) -> None:
                seen.append((data, ws.is_paused))
                ws.pause()
                asyncio.get_running_loop().call_soon(resume, ws)
                if len(seen) == 2:
                    second.set()

            ws.on("message", listener)

        def resume(ws: wsrs.WebSocket) -> None:
            assert len(seen) in (1, 2)
            assert ws.is_paused
            ws.resume()

        peer = await raw_client(await serve(on_connection))
        peer.write(frame(TEXT, b"1") + frame(TEXT, b"2"))
        await within(second.wait())
        assert seen == [(b"1", False), (b"2", False)]
        await peer.close()

    async def test_a_listener_may_close_the_whole_server(self, serve: Serve) -> None:
        server = await serve()
        server.on("connection", lambda ws, request: ws.on("message", lambda data, is_binary: server.close()))
        ws = wsrs.WebSocket(server.url)
        await within(ws.wait_open())
        ws.send("x")
        ws.close(1000)
        await within(server.wait_closed())


class TestInOtherEvents:
    @pytest.mark.parametrize(
        "call", ["send", "ping", "close", "terminate", "pause", "resume", "remove_all_listeners"]
    )
    @pytest.mark.parametrize("event", ["connection", "message", "ping", "error", "close"])
    async def test_any_method_may_be_called_in_any_event(self, serve: Serve, event: str, call: str) -> None:
        closes: list[Any] = []
        closed = asyncio.Event()

        def act(ws: wsrs.WebSocket) -> None:
            getattr(ws, call)(*(["x"] if call in ("send", "ping") else []))
            if call == "pause":
                asyncio.get_running_loop().call_soon(ws.resume)
            if call == "remove_all_listeners":
                ws.on("close", on_close).on("error", lambda error: None)

        def on_close(code: int, reason: bytes) -> None:
            closes.append(code)
            closed.set()

        def on_connection(ws: Any, request: Any) -> None:
            ws.on("close", on_close).on("error", lambda error: None)
            if event == "connection":
                act(ws)
            else:
                ws.on(event, lambda *args: act(ws))

        peer = await connect(await serve(on_connection))
        frames = frame(TEXT, b"1") + frame(PING, b"2") + frame(BINARY, b"3") + frame(3, b"fault")
        peer.hang_up(upgrade_request() + frames)
        await within(closed.wait())
        await peer.rest_or_reset()
        assert closes == [1006]
        await peer.close()

    async def test_a_client_may_close_in_its_open_event(self, serve: Serve) -> None:
        server = await serve()
        for early in ("close", "terminate"):
            ws: Any = wsrs.WebSocket(server.url)
            ws.on("open", getattr(ws, early))
            again = listen(ws, "close")
            ws.on("close", lambda code, reason, ws=ws: ws.close() or ws.terminate())
            await within(again)
            assert ws.ready_state == wsrs.CLOSED

    async def test_an_exception_in_every_listener_is_reported(self, serve: Serve, reports: Reports) -> None:
        def fails(*args: Any) -> None:
            raise LookupError

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            for event in ("message", "ping", "pong", "error", "close"):
                ws.on(event, fails)
            ws.on("close", lambda code, reason: closed.set())
            raise LookupError

        closed = asyncio.Event()
        server = await serve(on_connection)
        server.on("headers", fails)
        peer = await raw_client(server)
        peer.hang_up(frame(TEXT, b"1") + frame(PING) + frame(0xA, b"") + frame(3))
        await within(closed.wait())
        await peer.rest_or_reset()
        names = [reports.take()["message"].split("listener of ")[1].split(" ")[0] for _ in range(7)]
        assert sorted(names) == [
            "'close'",
            "'connection'",
            "'error'",
            "'headers'",
            "'message'",
            "'ping'",
            "'pong'",
        ]
        await peer.close()
        # The server still accepts connections.
        server.remove_all_listeners()
        await (await raw_client(server)).close()


class TestInASendCallback:
    @pytest.mark.parametrize("size", [100, 100_000])
    async def test_a_pump_of_callbacks_lets_the_loop_run_others(self, serve: Serve, size: int) -> None:
        """The usual pump: each callback sends the next message, to a peer that reads them all."""
        loop = asyncio.get_running_loop()
        ticks = calls = inside = 0
        most = in_tick = 0
        sending = False
        done = asyncio.Event()

        def count() -> None:
            nonlocal ticks, in_tick
            ticks += 1
            in_tick = 0
            if not done.is_set():
                loop.call_soon(count)

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            chunk = bytes(size)

            def pump(error: BaseException | None) -> None:
                nonlocal calls, inside, most, in_tick
                calls += 1
                in_tick += 1
                inside += sending
                most = max(most, in_tick)
                if error is None and calls < 200:
                    send()
                else:
                    done.set()

            def send() -> None:
                nonlocal sending
                sending = True
                ws.send(chunk, callback=pump)
                sending = False

            loop.call_soon(count)
            send()

        server = await serve(on_connection)
        peer = await raw_client(server)

        async def read() -> None:
            while await peer.reader.read(1 << 20):
                pass

        reading = asyncio.ensure_future(read())
        await within(done.wait())
        assert calls == 200
        assert inside == 0, "called back within send"
        assert most <= 3, "callbacks in one tick"
        assert ticks >= 50
        reading.cancel()
        await peer.close()
