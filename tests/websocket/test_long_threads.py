"""The threads that compress and inflate long messages, in programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

import wsrs

MIB = 1024 * 1024

PROGRAM = """
import asyncio, gc, os, sys, threading, time
import wsrs
TEXT = os.urandom({size} // 2).hex()
def threads():
    names = []
    if {pure}:
        names = [one.name for one in threading.enumerate()]
    else:
        for one in os.listdir("/proc/self/task"):
            try:
                names.append(open(f"/proc/self/task/{{one}}/comm").read().strip())
            except OSError:
                pass
    return sum(name.startswith("wsrs-deflate") for name in names)
async def serve(**options):
    def on_connection(ws, request):
        ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))
    server = wsrs.WebSocketServer(port=0, host="127.0.0.1", per_message_deflate=options)
    server.on("connection", on_connection)
    await server.wait_listening()
    return f"ws://127.0.0.1:{{server.address()['port']}}/", server
async def echo(url, text=TEXT, **options):
    async with wsrs.WebSocket(url, per_message_deflate=options) as ws:
        ws.send(text)
        assert await ws.recv() == text
"""


def run(body: str, *, size: int = MIB) -> str:
    """The output of a program, which must end by itself and without warnings."""
    program = PROGRAM.format(size=size, pure=wsrs.backend != "core") + body
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class TestThreads:
    @pytest.mark.parametrize("limit", [1, 3])
    def test_no_more_than_the_limit_run_at_once(self, limit: int) -> None:
        # All messages are sent in one tick, so more jobs wait than the limit allows. A thread stays for
        # seconds after its last job, so when a message comes back, each thread that was started is still
        # there.
        body = f"""
async def main():
    url, server = await serve(concurrency_limit={limit})
    clients = [wsrs.WebSocket(url, per_message_deflate=dict(concurrency_limit={limit})) for _ in range(20)]
    for ws in clients:
        await ws.wait_open()
    assert threads() == 0
    for ws in clients:
        ws.send(TEXT)
    seen = [threads()]
    async def hear(ws):
        assert await ws.recv() == TEXT
        seen.append(threads())
        ws.close()
        await ws.wait_closed()
    await asyncio.gather(*map(hear, clients))
    print(max(seen))
asyncio.run(main())
"""
        assert run(body, size=MIB // 4) == f"{limit}\n"

    def test_short_messages_start_no_thread(self) -> None:
        body = """
async def main():
    url, server = await serve()
    await echo(url, "short " * 10_000)
    print(threads())
    await echo(url)
    print(threads() > 0)
asyncio.run(main())
"""
        assert run(body) == "0\nTrue\n"

    def test_the_loop_compresses_if_no_thread_can_be_started(self) -> None:
        # The Rust core's threads are not Python's, but it must pass here too.
        body = """
start = threading.Thread.start
def fail(self):
    if self.name == "wsrs-deflate":
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = fail
async def main():
    url, server = await serve()
    await asyncio.wait_for(echo(url), 10)
    print("done")
asyncio.run(main())
"""
        assert run(body) == "done\n"

    def test_a_loop_may_be_closed_while_a_job_runs(self) -> None:
        body = """
async def main():
    url, server = await serve()
    ws = wsrs.WebSocket(url)
    ws.on("error", lambda error: None)
    await ws.wait_open()
    ws.send(TEXT)
    ws.terminate()
    server.close()
    for client in server.clients:
        client.terminate()
for _ in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del loop
    gc.collect()
asyncio.run(asyncio.sleep(0.1))
print("done")
"""
        assert run(body, size=8 * MIB) == "done\n"

    def test_a_running_job_does_not_keep_the_process_alive(self) -> None:
        body = """
async def main():
    url, server = await serve()
    ws = wsrs.WebSocket(url)
    await ws.wait_open()
    ws.send(TEXT * 20)
    await asyncio.sleep(0)
    print("out", flush=True)
    sys.exit(0)
began = time.monotonic()
try:
    asyncio.run(main())
finally:
    # If the process waited for the job, it would take many seconds more.
    sys.stdout.flush()
"""
        began = time.monotonic()
        assert run(body, size=20 * MIB) == "out\n"
        assert time.monotonic() - began < 10

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_forked_process_has_threads_of_its_own(self) -> None:
        body = """
async def main():
    url, server = await serve()
    await echo(url)
    await server.shutdown()
asyncio.run(main())
import warnings
warnings.simplefilter("ignore")
child = os.fork()
if not child:
    asyncio.run(main())
    print("child", flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
asyncio.run(main())
print("parent")
"""
        assert run(body) == "child\nparent\n"
