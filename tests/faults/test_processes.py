"""Signals and forks during traffic, in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest

import wsrs

from ..conftest import Reports
from ..peers import within

SERVER = """
import asyncio, signal, sys
import wsrs

def echo(ws, request):
    ws.on("message", lambda data, binary: ws.send(data, binary=binary))

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1", per_message_deflate=True) as server:
        server.on("connection", echo)
        stopped = asyncio.Event()
        if sys.argv[1] == "handler":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(server.address()["port"], flush=True)
        if sys.argv[1] == "handler":
            await stopped.wait()
        else:
            await server.serve_forever()
    print(server.stats().closes, flush=True)

# A shell makes its background jobs ignore SIGINT. Tests in such a job would hand that on to this program.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


async def talk(url: str, ready: asyncio.Event, count: list[int]) -> wsrs.WebSocket:
    """Talk to the echo server until it ends, and compare every answer."""
    async with wsrs.WebSocket(url) as ws:
        with contextlib.suppress(wsrs.ConnectionClosed):
            for number in range(10**9):
                text = f"{number} " * (number % 50)
                await ws.send(text)
                assert await ws.recv() == text
                count[0] += 1
                if count[0] > 500:
                    ready.set()
    return ws


@pytest.mark.parametrize(("how", "number"), [("handler", signal.SIGTERM), ("none", signal.SIGINT)])
async def test_a_signal_during_traffic_ends_every_connection_cleanly(
    reports: Reports, how: str, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, how, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await within(process.stdout.readline(), 30))
        ready, count = asyncio.Event(), [0]
        url = f"ws://127.0.0.1:{port}"
        clients = [asyncio.ensure_future(talk(url, ready, count)) for _ in range(10)]
        await within(ready.wait())
        process.send_signal(number)
        ended = await within(asyncio.gather(*clients))
        out, err = await within(process.communicate())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert [ws.stats().code for ws in ended] == [1001] * 10
    # Every client has answered the close frame: no connection was cut.
    assert out.decode().split() == (["{1001:", "10}"] if how == "handler" else ["interrupted"])
    assert (process.returncode, err) == (0, b"")


FORK = """
import asyncio, gc, os, sys
import wsrs

def echo(ws, request):
    ws.on("message", lambda data, binary: ws.send(data, binary=binary))

async def serve_and_ask(count):
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", echo)
        async with wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}") as ws:
            for number in range(count):
                await ws.send(str(number))
                assert await ws.recv() == str(number)

def child():
    # A worker that serves by itself, while the objects that it inherited are collected.
    code = 1
    try:
        asyncio.run(serve_and_ask(200))
        gc.collect()
        code = 0
    finally:
        os._exit(code)

async def main():
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    server.on("connection", echo)
    await server.wait_listening()
    clients = [wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}/") for _ in range(10)]
    await asyncio.gather(*(ws.wait_open() for ws in clients))
    answers, enough = 0, False

    async def talk(ws):
        nonlocal answers
        while not enough:
            await ws.send(f"{answers}")
            await ws.recv()
            answers += 1

    talking = [asyncio.ensure_future(talk(ws)) for ws in clients]
    for _ in range(3):
        before = answers
        process = os.fork()
        if process == 0:
            server, clients, talking = None, None, None
            gc.collect()
            child()
        status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, process, 0)
        assert status[1] == 0, status
        assert answers > before
    before, enough = answers, True
    await asyncio.gather(*talking)
    await server.shutdown()
    assert [ws.stats().code for ws in clients] == [1001] * 10

if len(sys.argv) > 1:
    import uvloop
    uvloop.install()
asyncio.run(main())
print("good")
"""


@pytest.mark.parametrize("loop", [[], ["uvloop"]], ids=["asyncio", "uvloop"])
def test_a_forked_child_that_serves_does_not_disturb_its_parent(loop: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, *loop],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert (done.stdout.strip(), done.stderr) == ("good", "")


INHERITED = """
import asyncio, os, sys
import wsrs

def echo(ws, request):
    ws.on("message", lambda data, binary: ws.send(data, binary=binary))

async def main(name):
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    server.on("connection", echo)
    await server.wait_listening()
    url = f"ws://127.0.0.1:{server.address()['port']}/"
    clients = [wsrs.WebSocket(url) for _ in range(3)]
    await asyncio.gather(*(ws.wait_open() for ws in clients))
    calls = {
        "send": lambda ws: ws.send("from the child"),
        "close": lambda ws: ws.close(),
        "terminate": lambda ws: ws.terminate(),
        "server": lambda ws: server.close(),
    }

    def child():
        # A child that means to let go of what it has inherited.
        refused = 0
        for ws in [*clients, *server.clients]:
            try:
                calls[name](ws)
            except RuntimeError as error:
                refused += "the process that forked this one" in str(error)
        os._exit(0 if refused == 6 else 1)

    process = os.fork()
    if process == 0:
        child()
    assert os.waitpid(process, 0) == (process, 0)
    for number in range(10):
        for ws in clients:
            ws.send(str(number))
            assert await asyncio.wait_for(ws.recv(), 10) == str(number)
    async with wsrs.WebSocket(url) as another:
        await another.send("listening")
        assert await asyncio.wait_for(another.recv(), 10) == "listening"
    await server.shutdown()
    assert [ws.stats().code for ws in clients] == [1001] * 3
    print("good")

if len(sys.argv) > 2:
    import uvloop
    uvloop.install()
asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("loop", [[], ["uvloop"]], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("name", ["send", "close", "terminate", "server"])
def test_a_forked_child_cannot_deafen_its_parent(name: str, loop: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INHERITED, name, *loop],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("good", "")


UNWOUND = """
import asyncio, os, sys
import wsrs

async def main():
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    server.on("connection", lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
    await server.wait_listening()
    ws = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}/")
    await ws.wait_open()

    async def guard():
        try:
            await asyncio.Event().wait()
        finally:
            ws.terminate()
            for each in server.clients:
                each.terminate()

    guarding = asyncio.ensure_future(guard())
    await asyncio.sleep(0)
    if os.fork() == 0:
        # `asyncio.run` goes on with the loop of the parent, in order to cancel the other task.
        sys.exit()
    os.wait()
    for number in range(10):
        ws.send(str(number))
        assert await asyncio.wait_for(ws.recv(), 10) == str(number).encode()
    guarding.cancel()
    await server.shutdown()
    print("good", flush=True)
    # The child has closed the loop, and asyncio has stopped watching the pipe by which threads wake it.
    os._exit(0)

try:
    asyncio.run(main())
except SystemExit:
    os._exit(0)
"""


@pytest.mark.skipif(wsrs.backend == "pure", reason="asyncio's own transports share their parent's poller")
def test_a_child_in_which_the_loop_is_unwound_does_not_deafen_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNWOUND],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("good", 0), done.stderr


SIGPIPE = """
import asyncio, os, signal, socket, sys
import wsrs

signal.signal(signal.SIGPIPE, signal.SIG_DFL)

async def main():
    left = asyncio.Event()
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1", per_message_deflate=True) as server:
        ended = []

        def connected(ws, request):
            ws.on("error", lambda error: None)
            ws.on("close", lambda *_: (ended.append(1), len(ended) == 20 and left.set()))

            def gone(error=None):
                if ws.ready_state == wsrs.OPEN:
                    loop = asyncio.get_running_loop()
                    ws.send(os.urandom(200_000), callback=lambda error: loop.call_soon(gone))

            gone()

        server.on("connection", connected)
        for _ in range(20):
            ws = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}/")
            ws.on("message", lambda *_, ws=ws: ws.terminate())
        await asyncio.wait_for(left.wait(), 30)
    print("good")

asyncio.run(main())
"""


@pytest.mark.skipif(wsrs.backend == "pure", reason="asyncio's own transports raise SIGPIPE, as sockets do")
def test_peers_that_leave_raise_no_sigpipe() -> None:
    """A program may have set SIGPIPE to its default, which ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", SIGPIPE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "good", "")
