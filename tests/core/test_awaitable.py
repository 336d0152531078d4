"""Which task gets a message if several ask: the one that waits, until it is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from .conftest import MakeSide
from .test_delivery import begin, outcome, texts


async def as_coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@pytest.mark.parametrize("second", ["recv", "next"])
def test_a_message_for_a_woken_task_goes_to_no_other_task(side: MakeSide, second: str) -> None:
    server = side(listen=False)
    first = begin(server, server.connection.recv())
    server.feed(texts("a", "b"))
    another = server.loop.create_task(as_coroutine(getattr(server.connection, second)()))
    while_woken = getattr(server.connection, second)().__await__
    with pytest.raises(RuntimeError, match="another task is already waiting for a message"):
        next(while_woken())
    server.tick(2)
    assert (first.result(), another.result()) == ("a", "b")


@pytest.mark.parametrize("woken", [False, True])
def test_a_task_may_wait_as_soon_as_another_is_cancelled(side: MakeSide, woken: bool) -> None:
    server = side(listen=False)
    first = begin(server, server.connection.recv())
    if woken:
        server.feed(texts("a"))
    first.cancel()
    second = server.connection.recv().__await__()
    if woken:
        with pytest.raises(StopIteration, match="a"):
            next(second)
    else:
        next(second)
    server.tick(2)
    assert first.cancelled()


@pytest.mark.parametrize("woken", [False, True])
def test_cancelling_a_task_again_leaves_a_later_waiter_alone(side: MakeSide, woken: bool) -> None:
    server = side(listen=False)
    first = begin(server, server.connection.recv())
    server.loop.call_soon(first.cancel)
    second = server.loop.create_task(as_coroutine(server.connection.recv()))
    if woken:
        server.loop.call_soon(server.feed, texts("kept"))
    server.loop.call_soon(first.cancel)
    server.tick(2)
    assert first.cancelled()
    assert not second.cancelled()
    if not woken:
        server.feed(texts("kept"))
    server.tick(2)
    assert second.result() == "kept"
    server.feed(texts("next"))
    assert outcome(server, server.connection.recv()) == "next"


def test_a_recv_awaited_again_after_a_cancellation_waits_again(side: MakeSide) -> None:
    server = side(listen=False)
    message = server.connection.recv()
    cancelled = begin(server, message)
    cancelled.cancel()
    server.tick(2)
    assert cancelled.cancelled()
    task = begin(server, message)
    server.feed(texts("a"))
    server.tick(2)
    assert task.result() == "a"


def test_a_listener_set_after_a_cancelled_recv_takes_over(side: MakeSide) -> None:
    server = side(listen=False)
    task = begin(server, server.connection.recv())
    task.cancel()
    server.connection.message_listener = server.on_message
    server.feed(texts("a"))
    server.tick(2)
    assert task.cancelled()
    assert server.events == [("text", b"a")]


def test_messages_for_a_listener_that_aborts_come_before_the_loss(side: MakeSide) -> None:
    server = side(listen=False)
    server.feed(texts("a", "b"))

    def abort(data: bytes, is_binary: bool) -> None:
        server.on_message(data, is_binary)
        if data == b"a":
            server.connection.abort()

    server.connection.message_listener = abort
    server.tick(3)
    assert server.events == [("text", b"a"), ("text", b"b"), ("lost", None)]
