"""The EventTarget side: `on…` attributes, `add_event_listener` and the objects of events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import TEXT, frame, raw_client, within


class TestEventTarget:
    async def test_the_four_events_are_objects_for_event_listeners(self, serve: Serve) -> None:
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

    async def test_a_fault_gives_an_error_event(self, serve: Serve, reports: Reports) -> None:
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

    async def test_each_on_attribute_is_called_for_its_event(self, serve: Serve, reports: Reports) -> None:
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
        # After a fault no close frame is received, so the end is not clean.
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
    async def test_message_data_has_the_form_of_the_binary_type(
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

    async def test_handle_event_in_both_spellings_gets_every_type(self, serve: Serve) -> None:
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

    async def test_remove_event_listener_removes_only_event_listeners(self, serve: Serve) -> None:
        """As in ws, `remove_event_listener` leaves the listeners of `on` and of the attributes alone."""
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


def test_an_event_shows_its_type_and_needs_one() -> None:
    assert repr(wsrs.MessageEvent("message")) == "<MessageEvent 'message'>"
    with pytest.raises(TypeError, match="the type of an event must be a str, not int"):
        wsrs.Event(1)  # type: ignore[arg-type]


async def test_onerror_gives_back_the_listener_that_was_set(serve: Serve) -> None:
    ws = wsrs.WebSocket((await serve()).url)
    ws.onerror = print
    assert ws.onerror == print
    await within(ws.wait_open())
