"""The programs of the README run as they are printed there, on another port."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wsrs

from .conftest import Reports
from .peers import connect, upgrade_request, within

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ORIGINS = re.findall(r"```python\n(ORIGINS = .*?)```", README, re.DOTALL)
ADOPTING = re.findall(r"```python\n(wss = .*?adopt.*?)```", README, re.DOTALL)
APPLICATIONS = re.findall(r"```python\n(from aiohttp .*?)```", README, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(import asyncio\n.*?)```", README, re.DOTALL)


def test_the_readme_has_its_programs() -> None:
    server, client = PROGRAMS
    assert "WebSocketServer(port=8080)" in server
    assert "ws://localhost:8080" in client
    assert len(server.strip().splitlines()) <= 12
    assert len(client.strip().splitlines()) <= 10


async def test_server_and_client_talk() -> None:
    server, client = PROGRAMS
    # The server prints its port; nothing else in the program is changed.
    server = server.replace("port=8080", "port=0").replace(
        "        await wss.serve_forever()",
        "        print(wss.address()['port'], flush=True)\n        await wss.serve_forever()",
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", server, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(await within(process.stdout.readline(), 30))
        program = client.replace("8080", str(port))
        answer = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
        out, _ = await within(answer.communicate(), 30)
        assert (answer.returncode, out.strip()) == (0, b"you said hello")
    finally:
        process.kill()
        await process.wait()


async def test_both_ends_of_a_pair_of_sockets_talk(reports: Reports) -> None:
    (program,) = ADOPTING
    names: dict[str, Any] = {**vars(wsrs), "socket": socket}
    exec(program, names)
    names["wss"].on("connection", lambda ws, request: ws.send("hello"))
    async with names["client"] as client:
        assert await within(client.recv()) == "hello"
    await within(names["wss"].shutdown())


async def test_the_application_of_aiohttp_serves_and_ends() -> None:
    (program,) = APPLICATIONS
    assert len([line for line in program.splitlines() if line]) <= 10
    # It prints its port; nothing else is changed.
    program = program.replace(
        "web.run_app(app, port=8080)",
        "import socket\nsock = socket.create_server(('127.0.0.1', 0))\n"
        "print(sock.getsockname()[1], flush=True)\nweb.run_app(app, sock=sock, print=None, access_log=None)",
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", "-c", program),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port = int(await within(process.stdout.readline(), 30))
        async with wsrs.WebSocket(f"ws://127.0.0.1:{port}/chat") as ws:
            await ws.send("hello")
            assert await within(ws.recv()) == "you said hello"
            process.terminate()
            with pytest.raises(wsrs.ConnectionClosed) as caught:
                await within(ws.recv())
            assert caught.value.close_code == 1001
        out, err = await within(process.communicate(), 30)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_page_of_another_site_gets_401(reports: Reports) -> None:
    (program,) = ORIGINS
    made: list[wsrs.WebSocketServer] = []

    def server(**options: Any) -> None:
        changed: Any = {**options, "host": "127.0.0.1", "port": 0}
        made.append(wsrs.WebSocketServer(changed))

    exec(program, {"WebSocketServer": server})
    statuses = []
    async with made[0] as wss:
        fields: list[dict[str, Any]] = [
            {"origin": "https://app.example.com"},
            {"origin": "https://app.example.com.attacker.example"},
            {"origin": "http://app.example.com"},
            {"origin": "null"},
            {},
        ]
        for each in fields:
            peer = await connect(wss)
            peer.write(upgrade_request(cookie="session=stolen", **each))
            statuses.append((await peer.head())[0].split(" ")[1])
            await peer.close()
    assert statuses == ["101", "401", "401", "401", "401"]
