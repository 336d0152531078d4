"""Descriptors run out, and the loop is blocked."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from asyncio.constants import ACCEPT_RETRY_DELAY
from collections.abc import Callable

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import TEXT, frame, opening, port_of, raw_client, within
from .conftest import ServeOthers, echo


async def test_without_descriptors_the_others_go_on(serve_others: ServeOthers, reports: Reports) -> None:
    server, others = await serve_others()
    loop = asyncio.get_running_loop()
    # These clients have their descriptors already; the server's ends get none.
    clients = [socket.socket() for _ in range(5)]
    for client in clients:
        client.setblocking(False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Open descriptors stay open; a new one would have to be below the limit, whatever is closed meanwhile.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        for client in clients:
            await within(loop.sock_connect(client, ("127.0.0.1", port_of(server))))
        begun = time.process_time()
        await others.go_on(50)
        with pytest.raises(OSError, match="Too many open files"):
            await within(opening(wsrs.WebSocket(server.url)))
        await others.go_on(50)
        assert time.process_time() - begun < 5
        # No connection was given up for another.
        assert len(server.clients) == others.count
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # asyncio retries by one timer for each accept that failed, up to the backlog, and reports those that find
    # the server closed. This sleep is longer than all of them.
    retried = asyncio.ensure_future(asyncio.sleep(ACCEPT_RETRY_DELAY))
    peer = await raw_client(server, "/fault", then=frame(TEXT, b"room again"))
    assert (await peer.frame()).payload == b"room again"
    await peer.close()
    for client in clients:
        client.close()
    await retried
    while reports:
        assert "accept" in reports.take()["message"]


class Slowly(threading.Thread):
    """Clients in a thread with a loop of their own, which answer each ping a little later."""

    def __init__(self, url: str, pinged: Callable[[], object]) -> None:
        super().__init__()
        self._url = url
        self._pinged = pinged
        self._loop = asyncio.new_event_loop()
        self._enough = asyncio.Event()
        self.ended: list[BaseException | str] = []

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._all())
        except BaseException as error:
            self.ended.append(error)
        finally:
            self._loop.close()

    async def _all(self) -> None:
        await asyncio.gather(*(self._talk(number) for number in range(5)))

    async def _talk(self, number: int) -> None:
        async with wsrs.WebSocket(self._url, auto_pong=False) as ws:

            def on_ping(data: bytes) -> None:
                self._pinged()
                self._loop.call_later(0.1, ws.pong, data)

            ws.on("ping", on_ping)
            await self._enough.wait()
            await ws.send(str(number))
            self.ended.append(await ws.recv())

    def finish(self) -> None:
        self._loop.call_soon_threadsafe(self._enough.set)


async def test_a_loop_that_was_blocked_takes_no_peer_for_silent(
    transports: str, serve: Serve, reports: Reports
) -> None:
    """The pongs arrive while the server's loop is blocked, and are due before it goes on."""
    server = await serve(echo, heartbeat=(0.2, 0.5))
    loop = asyncio.get_running_loop()
    blocked = 0
    gone_on = asyncio.Event()

    def block() -> None:
        # It blocks once, for the five pings that go out together; the next round shows that it went on.
        nonlocal blocked
        blocked += 1
        if blocked == 1:
            time.sleep(1.0)
        elif blocked == 6:
            gone_on.set()

    clients = Slowly(server.url, lambda: loop.call_soon_threadsafe(block))
    clients.start()
    try:
        await within(gone_on.wait())
    finally:
        clients.finish()
        await within(loop.run_in_executor(None, clients.join))
    assert sorted(map(str, clients.ended)) == ["0", "1", "2", "3", "4"]
    while server.clients:
        await within(next(iter(server.clients)).wait_closed())
    assert server.stats().closes == {1000: 5}
