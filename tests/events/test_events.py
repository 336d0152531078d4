"""EventEmitter: which listeners are called, in which order, and when one fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs
from wsrs import EventEmitter

from ..conftest import Reports
from ..peers import listen, within


class TestListeners:
    def test_listeners_are_called_in_order_with_the_arguments(self) -> None:
        emitter, seen = EventEmitter(), []
        emitter.on("a", lambda *args: seen.append((1, args)))
        emitter.prepend_listener("a", lambda *args: seen.append((0, args)))
        emitter.add_listener("a", lambda *args: seen.append((2, args)))
        assert emitter.emit("a", "x", "y") is True
        assert seen == [(0, ("x", "y")), (1, ("x", "y")), (2, ("x", "y"))]
        assert emitter.emit("b") is False

    def test_on_may_be_used_as_a_decorator(self) -> None:
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

    def test_on_returns_the_emitter(self) -> None:
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

    def test_methods_and_once_listeners_are_removed_by_the_original_function(self) -> None:
        class Owner:
            def heard(self) -> None:
                raise AssertionError("removed")

        emitter, owner = EventEmitter(), Owner()
        emitter.on("a", owner.heard).once("a", owner.heard)
        assert emitter.listeners("a") == [owner.heard, owner.heard]
        assert emitter.raw_listeners("a")[1].listener == owner.heard  # type: ignore[attr-defined]
        emitter.off("a", owner.heard).off("a", owner.heard)
        assert emitter.emit("a") is False

    def test_changes_during_an_emit_take_effect_at_the_next(self) -> None:
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

    def test_subclasses_are_told_when_listeners_change(self) -> None:
        class Watched(EventEmitter):
            def _listeners_changed(self, event: str, *, added: bool) -> None:
                changes.append((event, added, self.listener_count(event)))

        changes: list[tuple[str, bool, int]] = []
        emitter = Watched()
        emitter.on("a", print).once("a", print).off("a", print)
        emitter.remove_all_listeners()
        assert changes == [("a", True, 1), ("a", True, 2), ("a", False, 1), ("a", False, 0)]


class TestSpellings:
    def test_the_spellings_of_methods(self) -> None:
        pairs = EventEmitter._spellings
        assert {"addListener", "removeAllListeners", "listenerCount", "prependOnceListener"} <= set(pairs)
        for ws_name, pep8 in pairs.items():
            assert getattr(EventEmitter, ws_name) is getattr(EventEmitter, pep8)

    def test_overriding_one_spelling_overrides_both(self) -> None:
        class Mine(wsrs.WebSocketServer):
            def shouldHandle(self, request: Any) -> bool:
                return False

        assert Mine.should_handle is Mine.shouldHandle
        assert Mine.handle_upgrade is wsrs.WebSocketServer.handleUpgrade

    def test_a_mixin_overrides_both_spellings(self) -> None:
        class Nobody:
            def shouldHandle(self, request: Any) -> bool:
                return False

        class Mine(Nobody, wsrs.WebSocketServer):
            pass

        assert vars(Mine)["should_handle"] is vars(Nobody)["shouldHandle"]

    @pytest.mark.parametrize("name", ["shouldHandle", "should_handle"])
    async def test_an_override_on_one_object_holds_for_both_spellings(self, name: str) -> None:
        def nobody(request: Any) -> bool:
            return False

        server = wsrs.WebSocketServer(no_server=True)
        setattr(server, name, nobody)
        assert server.should_handle is nobody
        assert server.shouldHandle is nobody
        delattr(server, name)
        for plain in (server.should_handle, server.shouldHandle):
            assert plain is not nobody

    def test_the_spellings_of_events(self) -> None:
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

    def test_exceptions_of_listeners_are_raised_outside_a_loop(self) -> None:
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

    async def test_the_exception_of_a_coroutine_function_goes_to_error(self, reports: Reports) -> None:
        emitter = EventEmitter()
        error = ValueError("later")

        @emitter.on("a")
        async def listener() -> None:
            raise error

        heard = listen(emitter, "error")
        emitter.emit("a")
        assert await within(heard) == (error,)

    async def test_the_exception_of_an_error_listener_goes_to_the_handler(self, reports: Reports) -> None:
        emitter = EventEmitter()
        reported = asyncio.Event()

        @emitter.on("error")
        async def listener(error: Exception) -> None:
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, reported.set)
            raise KeyError("in the error listener")

        emitter.emit("error", ValueError())
        await within(reported.wait())
        assert isinstance(reports.take()["exception"], KeyError)


async def test_removing_all_listeners_of_an_event_without_any_does_nothing(reports: Reports) -> None:
    emitter = wsrs.EventEmitter()
    emitter.on("a", print)
    assert emitter.remove_all_listeners("b") is emitter
    assert emitter.event_names() == ["a"]
