"""Other threads must not touch what belongs to an event loop: they get an error, and nothing else happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

import wsrs
from wsrs._backend.threads import check_thread
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import listen, within
from ..rooms import HAS_ENGINE

WRONG = r"another thread.*loop\.call_soon_threadsafe"


async def elsewhere(function: Callable[[], Any]) -> Any:
    """Call `function` in a thread; an awaitable that it returns is awaited in a loop of that thread."""

    def call() -> Any:
        result = function()
        return asyncio.run(_result(result)) if hasattr(result, "__await__") else result

    return await within(asyncio.get_running_loop().run_in_executor(None, call))


async def _result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class Ends:
    """Both ends of a connection to an echo server; the client's messages are gathered."""

    def __init__(self, server: Any, client: Any, end: Any) -> None:
        self.server = server
        self.client = client
        self.end = end

    def of(self, role: str) -> Any:
        return self.client if role == "client" else self.end

    async def go_on(self) -> None:
        """Nothing is lost, and nothing waits: a message goes both ways, by each end's own `send`."""
        for text in ("one", "two"):
            came = listen(self.client, "message")
            self.client.send(text)
            assert (await within(came))[0] == text.encode()


@pytest_asyncio.fixture(params=[False, True], ids=["plain", "debug"])
async def ends(
    request: pytest.FixtureRequest, transports: str, serve: Serve, reports: Reports
) -> AsyncIterator[Ends]:
    asyncio.get_running_loop().set_debug(request.param)
    server = await serve(lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
    came = listen(server, "connection")
    client = wsrs.WebSocket(server.url)
    client.on("message", lambda *_: None)
    await within(client.wait_open())
    yield Ends(server, client, (await within(came))[0])
    asyncio.get_running_loop().set_debug(False)


OF_A_WEBSOCKET: dict[str, Callable[[Any], Any]] = {
    "send": lambda ws: ws.send("other"),
    "send with an option": lambda ws: ws.send("other", {"binary": True}),
    "send with a callback": lambda ws: ws.send("other", callback=lambda error: None),
    "ping": lambda ws: ws.ping(),
    "pong": lambda ws: ws.pong(b"other"),
    "close": lambda ws: ws.close(),
    "terminate": lambda ws: ws.terminate(),
    "pause": lambda ws: ws.pause(),
    "resume": lambda ws: ws.resume(),
    "recv": lambda ws: ws.recv(),
    "iteration": lambda ws: ws.__aiter__(),
}


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", OF_A_WEBSOCKET)
async def test_a_call_in_another_thread_raises_and_does_nothing_else(
    ends: Ends, reports: Reports, name: str, role: str
) -> None:
    ws = ends.of(role)
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: OF_A_WEBSOCKET[name](ws))
    assert ws.buffered_amount == 0
    await ends.go_on()


@pytest.mark.parametrize("role", ["client", "server"])
async def test_a_task_that_receives_keeps_its_messages(ends: Ends, reports: Reports, role: str) -> None:
    """Once messages are pulled, `recv` and iteration ask the core itself."""
    ws = ends.of(role)
    receiving = asyncio.ensure_future(ws.recv())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(ws.recv)
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(ws.__anext__)
    (ends.client if role == "server" else ends.end).send("mine")
    assert await within(receiving) == "mine"


OF_A_SERVER: dict[str, Callable[[Any], Any]] = {
    "broadcast": lambda server: server.broadcast("other"),
    "close": lambda server: server.close(),
    "shutdown": lambda server: server.shutdown(),
}


async def test_a_server_without_clients_raises_as_well(serve: Serve, reports: Reports) -> None:
    server = await serve()
    for call in OF_A_SERVER.values():
        with pytest.raises(RuntimeError, match=WRONG):
            await elsewhere(lambda call=call: call(server))  # type: ignore[misc]


@pytest.mark.parametrize("name", OF_A_SERVER)
async def test_a_server_is_left_alone(ends: Ends, reports: Reports, name: str) -> None:
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: OF_A_SERVER[name](ends.server))
    await ends.go_on()
    async with wsrs.WebSocket(ends.server.url) as another:
        await another.send("still listening")
        assert await within(another.recv()) == b"still listening"


OF_A_STREAM: dict[str, Callable[[Any], Any]] = {
    "write": lambda stream: stream.write(b"other"),
    "writelines": lambda stream: stream.writelines([b"other"]),
    "write_eof": lambda stream: stream.write_eof(),
    "close": lambda stream: stream.close(),
    "destroy": lambda stream: stream.destroy(),
    "transport.abort": lambda stream: stream.transport.abort(),
}


@pytest.mark.parametrize("name", OF_A_STREAM)
async def test_a_stream_is_left_alone(ends: Ends, reports: Reports, name: str) -> None:
    stream = wsrs.create_websocket_stream(ends.client)
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: OF_A_STREAM[name](stream))
    await ends.go_on()
    stream.write(b"a line\n")
    assert await within(stream.readuntil(b"line\n")) == b"onetwoa line\n"


@pytest.mark.skipif(not HAS_ENGINE, reason="the transports of the loop are asyncio's")
@pytest.mark.parametrize("name", ["write", "write_eof", "close", "abort", "pause_reading", "resume_reading"])
async def test_a_transport_of_the_engine_is_left_alone(serve: Serve, reports: Reports, name: str) -> None:
    server = await serve(lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
    sockets: list[Any] = []

    def finish(request: Any, ws: Any) -> None:
        request.on("socket", sockets.append)
        request.end()

    client = wsrs.WebSocket(server.url, finish_request=finish)
    client.on("message", lambda *_: None)
    await within(client.wait_open())
    arguments = [b"other"] if name == "write" else []
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: getattr(sockets[0], name)(*arguments))
    await Ends(server, client, None).go_on()


@pytest.mark.parametrize("name", ["close", "terminate"])
async def test_a_handshake_goes_on(serve: Serve, reports: Reports, name: str) -> None:
    server = await serve()
    client = wsrs.WebSocket(server.url)
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(getattr(client, name))
    await within(client.wait_open())


async def test_a_send_after_the_end_raises_it_too(ends: Ends, reports: Reports) -> None:
    ends.client.close()
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: ends.client.send("other", callback=lambda error: None))
    await within(ends.client.wait_closed())


async def test_an_http_server_is_left_alone(reports: Reports) -> None:
    server = HttpServer()
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: server.listen(0, "127.0.0.1"))
    server.listen(0, "127.0.0.1")
    await within(server.wait_listening())
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(server.close)
    assert server.listening
    server.close()
    await within(server.wait_closed())


async def test_other_threads_call_by_the_loop(ends: Ends, reports: Reports) -> None:
    loop = asyncio.get_running_loop()
    came = listen(ends.client, "message")
    await elsewhere(lambda: loop.call_soon_threadsafe(ends.client.send, "by the loop"))
    assert (await within(came))[0] == b"by the loop"

    async def send() -> None:
        await ends.client.send("by a task")

    came = listen(ends.client, "message")
    await elsewhere(lambda: asyncio.run_coroutine_threadsafe(send(), loop).result(10))
    assert (await within(came))[0] == b"by a task"


def test_a_loop_may_go_on_in_another_thread() -> None:
    """A program may set everything up in one thread, and let another one run the loop from then on."""
    loop = asyncio.new_event_loop()

    async def begin() -> tuple[Any, Any]:
        server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
        server.on("connection", lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
        await server.wait_listening()
        client = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}")  # type: ignore[index]
        await client.wait_open()
        return server, client

    async def talk(text: str) -> Any:
        await client.send(text)
        return await client.recv()

    server, client = loop.run_until_complete(begin())
    client.send("before")  # the loop stands still: this is not another thread yet
    assert loop.run_until_complete(asyncio.wait_for(client.recv(), 10)) == b"before"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for text in ("one", "two"):
            assert asyncio.run_coroutine_threadsafe(talk(text), loop).result(10) == text.encode()
            with pytest.raises(RuntimeError, match=WRONG):
                client.send("other")
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
    # It stands still again.
    client.close()
    loop.run_until_complete(server.shutdown())
    loop.close()


AFTER_THE_LOOP = """
import asyncio, sys
import wsrs
from wsrs._active_core import core

async def begin():
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    await server.wait_listening()
    client = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}")
    await client.wait_open()
    return server, client

if sys.argv[1] == "loop":
    core.reactor = lambda loop: None
loop = asyncio.new_event_loop()
server, ws = loop.run_until_complete(begin())
loop.close()
calls = [ws.send, ws.ping, ws.pong, ws.pause, ws.resume, ws.close, ws.terminate]
for call in [*calls, server.broadcast, server.close]:
    for attempt in range(2):
        try:
            call("late") if call in (ws.send, server.broadcast) else call()
        except RuntimeError as error:
            assert str(error).startswith("the event loop is closed"), error
            assert "close servers and WebSockets while it runs" in str(error)
        else:
            raise AssertionError(call)
print("good")
"""


def test_after_the_loop_is_closed_an_error_says_what_to_do(transports: str) -> None:
    """In a process of its own, because everything in it is left open."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AFTER_THE_LOOP, transports],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("good", "")


def test_what_is_closed_may_be_closed_again_after_the_loop() -> None:
    async def talk() -> Any:
        async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
            url = f"ws://127.0.0.1:{server.address()['port']}"  # type: ignore[index]
            async with wsrs.WebSocket(url) as client:
                return client

    client = asyncio.run(talk())
    client.close()
    client.terminate()
    assert client.ready_state == wsrs.CLOSED


@pytest.mark.skipif(not HAS_ENGINE, reason="the pure core wakes tasks by the loop alone")
async def test_a_task_runs_in_its_own_thread_whoever_wakes_it(serve: Serve, reports: Reports) -> None:
    """A listener that waits for another thread holds up a batch, in which tasks are stepped directly."""
    server = await serve(lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
    waiting, client = wsrs.WebSocket(server.url), wsrs.WebSocket(server.url)
    await within(waiting.wait_open())
    await within(client.wait_open())
    ran_in: list[int] = []

    async def receive() -> None:
        with pytest.raises(wsrs.ConnectionClosed):
            await waiting.recv()
        ran_in.append(threading.get_ident())

    receiving = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    connection: Any = waiting._conn

    def on_message(data: Any, is_binary: bool) -> None:
        thread = threading.Thread(target=connection.finish, args=(wsrs.ConnectionClosed(1006), False))
        thread.start()
        thread.join()

    client.on("message", on_message)
    client.send("now")
    await within(receiving)
    assert ran_in == [threading.get_ident()]


async def test_check_thread_tells_where_the_loop_runs() -> None:
    loop, other = asyncio.get_running_loop(), asyncio.new_event_loop()
    assert check_thread(loop)
    assert not check_thread(other)
    other.close()
    with pytest.raises(RuntimeError, match=WRONG):
        await elsewhere(lambda: check_thread(loop))
