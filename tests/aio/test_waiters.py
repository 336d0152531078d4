"""Several tasks that wait for the same event, which happens once."""

from __future__ import annotations

import asyncio

import pytest

import wsrs
from wsrs._aio.waiters import Waiters, running_loop

from ..conftest import Reports
from ..peers import RawServer, within


async def test_a_failed_opening_reaches_a_waiter_though_another_is_cancelled(
    raw_server: RawServer, reports: Reports
) -> None:
    ws = wsrs.WebSocket(raw_server.url)
    cancelled, told = (asyncio.ensure_future(ws.wait_open()) for _ in range(2))
    await raw_server.peer()
    ws.terminate()
    cancelled.cancel()
    with pytest.raises(wsrs.HandshakeError):
        await within(told)
    await asyncio.wait([cancelled])
    assert cancelled.cancelled()


async def test_cancelling_one_waiter_leaves_the_others_alone() -> None:
    waiters = Waiters(asyncio.get_running_loop())
    first, second = (asyncio.ensure_future(waiters.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    waiters.done()
    await within(second)
    await asyncio.wait([first])
    assert first.cancelled()


async def test_a_failure_says_whether_a_task_received_it() -> None:
    waiters = Waiters(asyncio.get_running_loop())
    assert not waiters.fail(KeyError("nobody waits"))
    waiting = asyncio.ensure_future(waiters.wait())
    await asyncio.sleep(0)
    assert waiters.fail(KeyError("told"))
    with pytest.raises(KeyError, match="told"):
        await within(waiting)


def test_the_error_outside_a_running_loop_names_what_needs_one() -> None:
    with pytest.raises(RuntimeError, match="a WebSocket begins its work when it is constructed"):
        running_loop("WebSocket")
