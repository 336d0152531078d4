"""The environment variables of ws, each in a process that talks to itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, wsrs

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", lambda ws, request: ws.send("hello"))
        async with wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}") as ws:
            print(wsrs.backend, await ws.recv())

asyncio.run(main())
"""
WISHES = ("WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE", "WSRS_PURE_PYTHON")


@pytest.mark.parametrize("variable", WISHES)
async def test_a_variable_keeps_the_native_core_out(variable: str) -> None:
    said = {}
    for value in ("", "1"):
        environment = {name: each for name, each in os.environ.items() if name not in WISHES}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", PROGRAM],
            env={**environment, variable: value},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        said[value] = done.stdout.strip()
    # An empty value has no effect.
    assert said == {"": "core hello", "1": "pure hello"}
