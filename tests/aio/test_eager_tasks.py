"""Tasks may begin at once (`asyncio.eager_task_factory`). What is heard must not change by that."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import listen, within

Factory = Callable[..., "asyncio.Future[Any]"]


def eager(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **keywords: Any
) -> asyncio.Task[Any]:
    """A task factory that runs the first step at once, for Pythons before 3.12."""
    context = contextvars.copy_context()
    result: Any = None
    error: BaseException | None = None
    yielded: Any = None
    try:
        yielded = context.run(coroutine.send, None)
    except StopIteration as done:
        result, coroutine = done.value, None  # type: ignore[assignment]
    except Exception as raised:
        error = raised

    @types.coroutine
    def rest(waiting: Any) -> Generator[Any, Any, Any]:
        if error is not None:
            raise error
        if coroutine is None:
            return result
        while True:
            thrown: BaseException | None = None
            try:
                sent = yield waiting
            except BaseException as raised:
                thrown = raised
            try:
                waiting = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
            except StopIteration as done:
                return done.value

    task: asyncio.Task[Any] = context.run(lambda: asyncio.Task(rest(yielded), loop=loop))
    return task


FACTORIES: dict[str, Factory] = {"by hand": eager}
if hasattr(asyncio, "eager_task_factory"):
    FACTORIES["asyncio"] = asyncio.eager_task_factory


Eagerly = Callable[[], Awaitable[None]]


@pytest.fixture(params=list(FACTORIES))
def eagerly(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Eagerly]:
    """`await eagerly()`: the tasks that the test makes from now on are eager. Those of fixtures are not."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def begin() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(FACTORIES[request.param])
        loops.append(loop)
        begun: list[int] = []

        async def note() -> None:
            begun.append(1)

        task = loop.create_task(note())
        assert begun, "the tasks of this test are not eager"
        await task

    yield begin
    for loop in loops:
        loop.set_task_factory(None)


class Heard(list[str]):
    """The events of an emitter, heard by listeners that are added after its constructor."""

    def __init__(self, emitter: Any, *events: str) -> None:
        super().__init__()
        self._over = asyncio.Event()
        self._last = events[-1]
        for event in events:
            emitter.on(event, lambda *_, event=event: self._heard(event))

    def _heard(self, event: str) -> None:
        self.append(event)
        if event == self._last:
            self._over.set()

    async def all(self) -> list[str]:
        await within(self._over.wait())
        return list(self)


PLACES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "port": lambda folder: {"port": 0, "host": "127.0.0.1"},
    "name": lambda folder: {"port": 0, "host": "localhost"},
    "unix": lambda folder: {"unix": str(folder / "socket")},
    "sock": lambda folder: {"sock": socket.create_server(("127.0.0.1", 0))},
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_server_listens_after_its_constructor(
    transports: str, tmp_path: Path, reports: Reports, eagerly: Eagerly, place: str
) -> None:
    await eagerly()
    order: list[str] = []
    options: Any = PLACES[place](tmp_path)
    server = wsrs.WebSocketServer(options, lambda: order.append("callback"))
    assert order == []
    heard = Heard(server, "listening")
    assert await heard.all() == ["listening"]
    assert order == ["callback"]
    await within(server.shutdown())


async def test_a_server_that_cannot_listen_says_so_after_its_constructor(
    transports: str, reports: Reports, eagerly: Eagerly
) -> None:
    await eagerly()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = wsrs.WebSocketServer(port=taken.getsockname()[1], host="127.0.0.1")
        assert await Heard(server, "error").all() == ["error"]
    heard = Heard(server, "close")
    server.close()
    assert heard == []
    assert await heard.all() == ["close"]


async def test_listen_of_an_http_server_emits_nothing(
    transports: str, reports: Reports, eagerly: Eagerly
) -> None:
    await eagerly()
    server = HttpServer()
    order: list[str] = []
    server.listen(0, "127.0.0.1", None, lambda: order.append("callback"))
    assert order == []
    assert await Heard(server, "listening").all() == ["listening"]
    server.close()
    await within(server.wait_closed())


def _fails(*_: Any) -> Any:
    raise OSError("no connection")


async def _fails_in_a_task(*_: Any) -> Any:
    raise OSError("not finished")


CANNOT: dict[str, dict[str, Any]] = {
    "create_connection": {"create_connection": _fails},
    "lookup": {"lookup": _fails},
    "finish_request": {"finish_request": _fails_in_a_task},
    "unix": {},
}


@pytest.mark.parametrize("why", CANNOT)
async def test_a_client_that_fails_at_once_says_so_after_its_constructor(
    transports: str, tmp_path: Path, reports: Reports, eagerly: Eagerly, why: str
) -> None:
    await eagerly()
    options: Any = CANNOT[why]
    url = f"ws+unix:{tmp_path}/nothing:/" if why == "unix" else "ws://example.invalid/"
    client = wsrs.WebSocket(url, **options)
    assert client.ready_state == wsrs.CONNECTING
    assert await Heard(client, "error", "close").all() == ["error", "close"]


async def test_a_client_on_a_connected_socket_begins_after_its_constructor(
    transports: str, serve: Serve, reports: Reports, eagerly: Eagerly
) -> None:
    await eagerly()
    server = await serve()
    sock = socket.create_connection(("127.0.0.1", server.address()["port"]))
    requests: list[Any] = []

    def finish(request: Any, ws: Any) -> None:
        requests.append(request)
        request.end()

    client = wsrs.WebSocket(server.url, socket=sock, finish_request=finish)
    assert client.ready_state == wsrs.CONNECTING
    came, heard = listen(requests[0], "socket"), Heard(client, "open")
    await within(came)
    assert await heard.all() == ["open"]


async def test_listeners_that_are_coroutine_functions_talk(
    transports: str, serve: Serve, reports: Reports, eagerly: Eagerly
) -> None:
    await eagerly()

    async def greet(ws: Any, request: Any) -> None:
        async for message in ws:
            await ws.send(f"you said {message}")

    server = await serve(greet)
    async with wsrs.WebSocket(server.url) as one, wsrs.WebSocket(server.url) as two:
        for number in range(20):
            for ws in (one, two):
                await ws.send(str(number))
            for ws in (one, two):
                assert await within(ws.recv()) == f"you said {number}"


async def test_a_verdict_that_is_given_at_once_counts(
    serve: Serve, reports: Reports, eagerly: Eagerly
) -> None:
    await eagerly()

    async def verify(info: Any) -> bool:
        return bool(info.req.url == "/good")

    server = await serve(verify_client=verify)
    async with wsrs.WebSocket(f"{server.url}good") as ws:
        assert ws.ready_state == wsrs.OPEN
    with pytest.raises(wsrs.HandshakeError, match="401"):
        await within(wsrs.WebSocket(server.url).wait_open())
