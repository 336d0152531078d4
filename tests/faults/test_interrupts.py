"""A signal handler raises KeyboardInterrupt within a listener, and the program runs the loop again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import wsrs

from ..peers import within

MESSAGES = 20
CLIENTS = 5


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        if wsrs.backend == "pure":
            pytest.skip("uvloop ends a connection whose protocol raises an interrupt")
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def interrupts() -> Iterator[list[str]]:
    """`interrupt(place)` raises there, once for each place; the places are kept in this list."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    yield []
    signal.signal(signal.SIGUSR1, before)


class Talk:
    """Some clients, each of which sends messages without waiting, and gets all of them back."""

    def __init__(self, interrupts: list[str], place: str) -> None:
        self.interrupts = interrupts
        self.place = place
        self.got: list[list[bytes]] = [[] for _ in range(CLIENTS)]
        self.pinged = 0
        self.written = 0

    def interrupt(self, place: str) -> None:
        if place == self.place and not self.interrupts:
            self.interrupts.append(place)
            signal.raise_signal(signal.SIGUSR1)

    def on_connection(self, ws: Any, request: Any) -> None:
        def on_message(data: bytes, is_binary: bool) -> None:
            ws.send(data, callback=self.on_written)
            self.interrupt("message")

        def on_ping(data: bytes) -> None:
            self.pinged += 1
            self.interrupt("ping")

        ws.on("message", on_message)
        ws.on("ping", on_ping)
        self.interrupt("connection")

    def on_written(self, error: BaseException | None) -> None:
        assert error is None
        self.written += 1
        self.interrupt("callback")

    async def run(self) -> None:
        server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
        server.on("connection", self.on_connection)
        await within(server.wait_listening())
        url = f"ws://127.0.0.1:{server.address()['port']}/"  # type: ignore[index]
        clients = [wsrs.WebSocket(url) for _ in range(CLIENTS)]
        enough = asyncio.Event()
        for client, got in zip(clients, self.got, strict=True):
            client.on("message", lambda data, _, got=got: self.on_answer(got, data, enough))
        for client in clients:
            await within(client.wait_open())
        for client in clients:
            client.ping()
            for number in range(MESSAGES):
                client.send(str(number))
        await within(enough.wait())
        for client in clients:
            assert client.ready_state == wsrs.OPEN
        await within(server.shutdown())

    def on_answer(self, got: list[bytes], data: bytes, enough: asyncio.Event) -> None:
        got.append(data)
        if all(len(each) >= MESSAGES for each in self.got):
            enough.set()
        self.interrupt("answer")


def finish(loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[None]]) -> int:
    """Run `work` to its end, whatever interrupts it. Returns how often that was."""
    task = asyncio.ensure_future(work(), loop=loop)
    for count in range(10):
        try:
            loop.run_until_complete(task)
        except KeyboardInterrupt:
            continue
        return count
    raise AssertionError("it was interrupted again and again")


@pytest.mark.parametrize("place", ["connection", "ping", "message", "callback", "answer"])
def test_an_interrupt_in_a_listener_loses_nothing(
    transports: str, loop: asyncio.AbstractEventLoop, interrupts: list[str], place: str
) -> None:
    if transports == "loop" and place == "connection" and type(loop).__module__.startswith("uvloop"):
        pytest.skip("uvloop ends a connection whose protocol raises an interrupt")
    talk = Talk(interrupts, place)
    assert finish(loop, talk.run) == 1
    assert interrupts == [place]
    # Each message came once and in order, on each connection, and the other events came too.
    assert talk.got == [[str(number).encode() for number in range(MESSAGES)]] * CLIENTS
    assert (talk.pinged, talk.written) == (CLIENTS, CLIENTS * MESSAGES)


def test_an_interrupt_in_a_task_ends_that_task_alone(
    transports: str, loop: asyncio.AbstractEventLoop, interrupts: list[str]
) -> None:
    """Each connection has a task of its own, which a batch steps directly."""
    talk = Talk(interrupts, "task")
    ended: list[str] = []

    async def on_connection(ws: Any, request: Any) -> None:
        try:
            async for message in ws:
                await ws.send(message)
                if request.url == "/interrupted":
                    talk.interrupt("task")
        except KeyboardInterrupt:
            ended.append(request.url)
            ws.close(1011)
            raise

    async def ask(url: str) -> list[Any]:
        async with wsrs.WebSocket(url) as ws:
            for number in range(MESSAGES):
                ws.send(str(number))
            return [await ws.recv() for _ in range(MESSAGES)]

    async def run() -> None:
        server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
        server.on("connection", on_connection)
        await within(server.wait_listening())
        url = f"ws://127.0.0.1:{server.address()['port']}"  # type: ignore[index]
        paths = ["/one", "/interrupted", "/two", "/three"]
        asked = asyncio.gather(*(ask(url + path) for path in paths), return_exceptions=True)
        answers = await within(asked)
        assert isinstance(answers.pop(1), wsrs.ConnectionClosed)
        assert answers == [[str(number) for number in range(MESSAGES)]] * 3
        await within(server.shutdown())

    assert finish(loop, run) == 1
    assert ended == ["/interrupted"]
