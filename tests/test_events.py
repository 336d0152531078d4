"""EventEmitter and the EventTarget side: what listeners see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs import EventEmitter

from .conftest import Reports, Serve
from .peers import TEXT, frame, listen, raw_client, within


class TestListeners:
    def test_are_called_in_order_with_the_arguments(self) -> None:
        emitter, seen = EventEmitter(), []
        emitter.on("a", lambda *args: seen.append((1, args)))
        emitter.prepend_listener("a", lambda *args: seen.append((0, args)))
        emitter.add_listener("a", lambda *args: seen.append((2, args)))
        assert emitter.emit("a", "x", "y") is True
        assert seen == [(0, ("x", "y")), (1, ("x", "y")), (2, ("x", "y"))]
        assert emitter.emit("b") is False

    def test_on_is_a_decorator_too(self) -> None:
        emitter, seen = EventEmitter(), []

        @emitter.on("a")
        def always() -> None:
            seen.append("always")

        @emitter.once("a")
        def first() -> None:
            seen.append("once")

        emitter.emit("a")
        emitter.emit("a")
        assert seen == ["always", "once", "always"]
        assert always is not None
        assert first is not None

    def test_on_gives_the_emitter_back(self) -> None:
        emitter = EventEmitter()
        assert emitter.on("a", print).once("a", print).off("a", print) is emitter

    def test_once_is_called_once_even_if_it_emits_again(self) -> None:
        emitter, seen = EventEmitter(), []

        def listener() -> None:
            seen.append(1)
            emitter.emit("a")

        emitter.once("a", listener)
        emitter.prepend_once_listener("a", lambda: seen.append(0))
        emitter.emit("a")
        assert seen == [0, 1]
        assert emitter.event_names() == []

    def test_off_removes_the_one_added_last(self) -> None:
        emitter, seen = EventEmitter(), []

        def twice() -> None:
            seen.append("twice")

        emitter.on("a", twice).on("a", lambda: seen.append("between")).on("a", twice)
        emitter.off("a", twice)
        emitter.emit("a")
        assert seen == ["twice", "between"]
        emitter.off("a", print)
        emitter.remove_listener("a", twice)
        emitter.remove_listener("a", twice)
        assert emitter.listener_count("a") == 1

    def test_methods_and_once_listeners_are_removed_by_what_was_given(self) -> None:
        class Owner:
            def heard(self) -> None:
                raise AssertionError("removed")

        emitter, owner = EventEmitter(), Owner()
        emitter.on("a", owner.heard).once("a", owner.heard)
        assert emitter.listeners("a") == [owner.heard, owner.heard]
        assert emitter.raw_listeners("a")[1].listener == owner.heard  # type: ignore[attr-defined]
        emitter.off("a", owner.heard).off("a", owner.heard)
        assert emitter.emit("a") is False

    def test_changes_during_an_emit_count_from_the_next_on(self) -> None:
        emitter, seen = EventEmitter(), []

        def first() -> None:
            seen.append("first")
            emitter.off("a", second)
            emitter.on("a", third)

        def second() -> None:
            seen.append("second")

        def third() -> None:
            seen.append("third")

        emitter.on("a", first).on("a", second)
        emitter.emit("a")
        assert seen == ["first", "second"]
        emitter.remove_all_listeners("a")
        assert emitter.listener_count("a") == 0

    def test_remove_all_listeners_of_all_events(self) -> None:
        emitter = EventEmitter().on("a", print).on("b", print)
        assert emitter.event_names() == ["a", "b"]
        assert emitter.remove_all_listeners().event_names() == []

    @pytest.mark.parametrize(("event", "listener"), [("a", 1), ("a", "x"), (1, print)])
    def test_wrong_types(self, event: Any, listener: Any) -> None:
        with pytest.raises(TypeError, match=r"int|str"):
            EventEmitter().on(event, listener)

    def test_subclasses_hear_of_changes(self) -> None:
        class Watched(EventEmitter):
            def _listeners_changed(self, event: str, *, added: bool) -> None:
                changes.append((event, added, self.listener_count(event)))

        changes: list[tuple[str, bool, int]] = []
        emitter = Watched()
        emitter.on("a", print).once("a", print).off("a", print)
        emitter.remove_all_listeners()
        assert changes == [("a", True, 1), ("a", True, 2), ("a", False, 1), ("a", False, 0)]


class TestSpellings:
    def test_of_methods(self) -> None:
        pairs = EventEmitter._spellings
        assert {"addListener", "removeAllListeners", "listenerCount", "prependOnceListener"} <= set(pairs)
        for ws_name, pep8 in pairs.items():
            assert getattr(EventEmitter, ws_name) is getattr(EventEmitter, pep8)

    def test_overriding_one_overrides_both(self) -> None:
        class Mine(wsrs.WebSocketServer):
            def shouldHandle(self, request: Any) -> bool:
                return False

        assert Mine.should_handle is Mine.shouldHandle
        assert Mine.handle_upgrade is wsrs.WebSocketServer.handleUpgrade

    def test_of_events(self) -> None:
        emitter, seen = EventEmitter(), []
        emitter.on("ws_client_error", lambda: seen.append(1)).on(
            "unexpected_response", lambda: seen.append(2)
        )
        emitter.emit("wsClientError")
        emitter.emit("unexpected-response")
        emitter.emit("ws_client_error")
        assert seen == [1, 2, 1]
        assert emitter.event_names() == ["wsClientError", "unexpected-response"]


class TestFaults:
    async def test_an_exception_in_a_listener_is_reported_and_the_others_run(self, reports: Reports) -> None:
        emitter, seen = EventEmitter(), []
        error = ValueError("mine")

        def fails() -> None:
            raise error

        emitter.on("a", fails).on("a", lambda: seen.append(1))
        emitter.emit("a")
        assert seen == [1]
        context = reports.take()
        assert context["exception"] is error
        assert context["listener"] is fails
        assert "'a'" in context["message"]

    async def test_an_error_event_without_a_listener_is_reported(self, reports: Reports) -> None:
        error = ValueError("nobody")
        assert EventEmitter().emit("error", error) is False
        context = reports.take()
        assert context["exception"] is error
        assert "'error'" in context["message"]

    def test_outside_a_loop_they_are_raised(self) -> None:
        emitter = EventEmitter()
        with pytest.raises(ValueError, match="nobody"):
            emitter.emit("error", ValueError("nobody"))

    async def test_a_coroutine_function_is_a_listener(self, reports: Reports) -> None:
        emitter, done = EventEmitter(), asyncio.Event()

        async def listener(value: int) -> None:
            await asyncio.sleep(0)
            assert value == 5
            done.set()

        emitter.on("a", listener).emit("a", 5)
        await within(done.wait())

    async def test_its_exception_goes_to_error(self, reports: Reports) -> None:
        emitter = EventEmitter()
        error = ValueError("later")

        @emitter.on("a")
        async def listener() -> None:
            raise error

        heard = listen(emitter, "error")
        emitter.emit("a")
        assert await within(heard) == (error,)

    async def test_of_an_error_listener_to_the_handler(self, reports: Reports) -> None:
        emitter = EventEmitter()
        reported = asyncio.Event()

        @emitter.on("error")
        async def listener(error: Exception) -> None:
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, reported.set)
            raise KeyError("in the error listener")

        emitter.emit("error", ValueError())
        await within(reported.wait())
        assert isinstance(reports.take()["exception"], KeyError)


class TestEventTarget:
    async def test_the_four_events_as_objects(self, serve: Serve) -> None:
        sides: list[wsrs.WebSocket] = []
        server = await serve(lambda ws, request: sides.append(ws))
        ws = wsrs.WebSocket(server.url)
        opened, message, closed = (asyncio.get_running_loop().create_future() for _ in range(3))
        ws.onopen = opened.set_result
        ws.onmessage = message.set_result
        ws.add_event_listener("close", closed.set_result)
        assert ws.onopen == opened.set_result
        assert ws.onclose is None
        event = await within(opened)
        assert isinstance(event, wsrs.OpenEvent)
        assert event.type == "open"
        assert event.target is ws
        sides[0].send("grüße")
        event = await within(message)
        assert isinstance(event, wsrs.MessageEvent)
        assert event.data == "grüße"
        assert event.target is ws
        sides[0].close(4000, "fin")
        event = await within(closed)
        assert isinstance(event, wsrs.CloseEvent)
        assert (event.code, event.reason, event.was_clean, event.wasClean) == (4000, "fin", True, True)

    async def test_error_event(self, serve: Serve, reports: Reports) -> None:
        heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        server = await serve(lambda ws, request: setattr(ws, "onerror", heard.set_result))
        peer = await raw_client(server)
        peer.write(frame(TEXT, b"unmasked", mask=None))
        event = await within(heard)
        assert isinstance(event, wsrs.ErrorEvent)
        assert event.error.code == "WS_ERR_EXPECTED_MASK"
        assert event.message == str(event.error)
        await peer.close()

    async def test_objects_with_handle_event_once_and_removal(self, serve: Serve) -> None:
        class Handler:
            def __init__(self) -> None:
                self.seen: list[Any] = []

            def handle_event(self, event: wsrs.MessageEvent) -> None:
                self.seen.append(event.data)

        server = await serve()
        ws = wsrs.WebSocket(server.url)
        always, once, removed = Handler(), Handler(), Handler()
        ws.addEventListener("message", always)
        ws.addEventListener("message", always)
        ws.addEventListener("message", once, {"once": True})
        ws.add_event_listener("message", removed, once=True)
        ws.remove_event_listener("message", removed)
        ws.add_event_listener("nothing", always)  # type: ignore[call-overload]
        assert ws.listener_count("message") == 2
        assert ws.listener_count("nothing") == 0
        await within(ws.wait_open())
        ws.emit("message", b"one", False)
        ws.emit("message", b"two", True)
        assert (always.seen, once.seen, removed.seen) == (["one", b"two"], ["one"], [])

    async def test_an_attribute_is_one_listener_that_can_be_replaced(self, serve: Serve) -> None:
        ws = wsrs.WebSocket((await serve()).url)
        seen: list[Any] = []
        ws.onmessage = lambda event: seen.append((1, event.data))
        ws.onmessage = replaced = lambda event: seen.append((2, event.data))
        ws.add_event_listener("message", replaced)
        assert ws.listener_count("message") == 2
        ws.remove_event_listener("message", replaced)
        ws.emit("message", b"x", True)
        assert seen == [(2, b"x")]
        ws.onmessage = None
        assert ws.onmessage is None
        assert ws.listener_count("message") == 0
        with pytest.raises(TypeError, match="onmessage must be callable"):
            ws.onmessage = 5  # type: ignore[assignment]
        with pytest.raises(TypeError, match="handle_event"):
            ws.add_event_listener("message", 5)  # type: ignore[call-overload]
        await within(ws.wait_open())

    async def test_attributes_hear_each_event(self, serve: Serve, reports: Reports) -> None:
        sides: list[wsrs.WebSocket] = []
        server = await serve(lambda ws, request: sides.append(ws))
        ws = wsrs.WebSocket(server.url)
        seen: list[tuple[Any, ...]] = []
        closed = asyncio.Event()

        def on_close(event: wsrs.CloseEvent) -> None:
            seen.append((event.type, event.code, event.reason, event.was_clean))
            closed.set()

        ws.onopen = lambda event: seen.append((event.type, event.target is ws))
        ws.onmessage = lambda event: seen.append((event.type, event.data))
        ws.onerror = lambda event: seen.append((event.type, event.message, event.error.close_code))
        ws.onclose = on_close
        await within(ws.wait_open())
        sides[0].send(b"x", {"binary": False})
        sides[0].send("y")
        # No close frame is received after a fault: that is no clean end.
        sides[0].send(b"\xff", binary=False)
        await within(closed.wait())
        assert seen == [
            ("open", True),
            ("message", "x"),
            ("message", "y"),
            ("error", "Invalid WebSocket frame: invalid UTF-8 sequence", 1007),
            ("close", 1006, "", False),
        ]

    @pytest.mark.parametrize(
        ("binary_type", "expected"),
        [
            ("nodebuffer", b"ab"),
            ("arraybuffer", bytearray(b"ab")),
            ("blob", wsrs.Blob(b"ab")),
            ("fragments", [b"a", b"b"]),
        ],
    )
    async def test_message_data_in_each_binary_type(
        self, serve: Serve, binary_type: Any, expected: Any
    ) -> None:
        sides: list[wsrs.WebSocket] = []
        server = await serve(lambda ws, request: sides.append(ws))
        ws = wsrs.WebSocket(server.url)
        ws.binaryType = binary_type  # before it is open
        seen: list[Any] = []
        done = asyncio.Event()

        def heard(event: wsrs.MessageEvent) -> None:
            seen.append(event.data)
            if event.data == "end":
                done.set()

        ws.addEventListener("message", heard)
        await within(ws.wait_open())
        sides[0].send(b"a", fin=False)
        sides[0].send(b"b")
        sides[0].send("te", fin=False)
        sides[0].send("xt")
        sides[0].send("end")
        await within(done.wait())
        assert seen == [expected, "text", "end"]
        assert type(seen[0]) is type(expected)

    async def test_handle_event_in_both_spellings_hears_every_type(self, serve: Serve) -> None:
        class AsInPython:
            def handle_event(self, event: wsrs.Event) -> None:
                seen.append((self, event.type))

        class AsInWs:
            def handleEvent(self, event: wsrs.Event) -> None:
                seen.append((self, event.type))

        seen: list[Any] = []
        ws = wsrs.WebSocket((await serve()).url)
        python, javascript = AsInPython(), AsInWs()
        for listener in (python, javascript):
            ws.add_event_listener("open", listener)
            ws.addEventListener("message", listener, {"once": True})
            ws.add_event_listener("close", listener)
        await within(ws.wait_open())
        ws.emit("message", b"1", True)
        ws.emit("message", b"2", True)
        ws.removeEventListener("close", javascript)
        ws.close()
        await within(ws.wait_closed())
        expected = [(each, name) for name in ("open", "message") for each in (python, javascript)]
        assert seen == [*expected, (python, "close")]

    async def test_only_its_own_listeners_are_removed(self, serve: Serve) -> None:
        """As in ws: `remove_event_listener` leaves those of `on` and of the attributes alone."""
        ws = wsrs.WebSocket((await serve()).url)
        seen: list[Any] = []
        ws.on("open", seen.clear)
        ws.onopen = seen.append
        ws.remove_event_listener("open", seen.clear)  # type: ignore[call-overload]
        ws.remove_event_listener("open", seen.append)
        assert ws.listener_count("open") == 2
        ws.add_event_listener("open", seen.append, once=True)
        ws.remove_event_listener("open", seen.append)
        assert ws.listener_count("open") == 2
        await within(ws.wait_open())
        assert [event.type for event in seen] == ["open"]
        with pytest.raises(TypeError, match=r"'passive'.*'once'"):
            ws.add_event_listener("open", seen.append, {"passive": True})  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="once must be a bool"):
            ws.add_event_listener("open", seen.append, {"once": 1})  # type: ignore[call-overload]
