"""The programs of docs/uvicorn.md, and the end of processes with open connections."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

import wsrs
from tests.peers import listen, within

from .processes import START, uvicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals end the processes")

DOCUMENT = (Path(__file__).parents[2] / "docs" / "uvicorn.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"## (.*?)\n+```python\n(.*?)```", DOCUMENT, re.DOTALL))
MANY = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
"""


def test_the_document_has_its_programs() -> None:
    assert list(PROGRAMS) == ["Starlette", "FastAPI", "Litestar", "Quart", "Django Channels"]


@pytest.fixture(params=list(PROGRAMS))
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def one_loop(request: pytest.FixtureRequest) -> None:
    """The process chooses its own loop: the test need not run on each."""
    if "[uvloop" in request.node.name:
        pytest.skip("the processes have loops of their own")


@pytest.mark.usefixtures("one_loop")
async def test_a_program_of_the_document(framework: str, tmp_path: Path) -> None:
    async with uvicorn(tmp_path, PROGRAMS[framework]) as running:
        async with wsrs.WebSocket(f"ws://127.0.0.1:{running.port}/ws") as ws:
            for text in ("hello", "x" * 100_000, "again"):
                ws.send(text)
                assert await within(ws.recv(), START) == f"you said {text}"
            closed = listen(ws, "close")
            ws.close(1000)
            assert (await within(closed))[0] == 1000
        assert await running.stop() in (0, -15)
        assert "Traceback" not in running.log
        assert "[accepted]" in running.log


@pytest.mark.usefixtures("one_loop")
async def test_starlettes_endpoint(tmp_path: Path) -> None:
    async with uvicorn(tmp_path, PROGRAMS["Starlette"], "--http", "h11") as running:
        async with wsrs.WebSocket(f"ws://127.0.0.1:{running.port}/sums") as ws:
            ws.send("[1, 2, 3]")
            assert await within(ws.recv(), START) == '{"sum":6}'
        with pytest.raises(wsrs.HandshakeError) as raised:
            async with wsrs.WebSocket(f"ws://127.0.0.1:{running.port}/nowhere"):
                pass
        assert raised.value.status == 403


@pytest.mark.usefixtures("one_loop")
async def test_fastapis_room(tmp_path: Path) -> None:
    async with uvicorn(tmp_path, PROGRAMS["FastAPI"], "--http", "zttp") as running:
        url = f"ws://127.0.0.1:{running.port}/rooms"
        with pytest.raises(wsrs.HandshakeError) as raised:
            async with wsrs.WebSocket(f"{url}/eve"):
                pass
        assert raised.value.status == 403
        async with wsrs.WebSocket(f"{url}/ann?token=secret") as ann:
            async with wsrs.WebSocket(f"{url}/bob?token=secret") as bob:
                bob.send("here")
                assert await within(bob.recv(), START) == "bob: here"
                assert await within(ann.recv(), START) == "bob: here"
            ann.send("alone")
            assert await within(ann.recv(), START) == "ann: alone"


@pytest.mark.usefixtures("one_loop")
@pytest.mark.parametrize("words", [("--loop", "asyncio"), ("--loop", "uvloop"), ("--workers", "2")])
async def test_sigterm_with_open_connections(tmp_path: Path, words: tuple[str, ...]) -> None:
    workers = 2 if "--workers" in words else 1
    async with uvicorn(
        tmp_path, MANY, *words, "--lifespan", "off", "--timeout-graceful-shutdown", "20"
    ) as running:
        await running.read_until(r"Started server process", times=workers)
        clients = [wsrs.WebSocket(f"ws://127.0.0.1:{running.port}") for _ in range(20)]
        closed = [listen(ws, "close") for ws in clients]
        for ws in clients:
            await within(ws.wait_open(), START)
        began = asyncio.get_running_loop().time()
        code = await running.stop()
        assert asyncio.get_running_loop().time() - began < 20
        assert [await within(each) for each in closed] == [(1012, b"")] * 20
        assert code in (0, -15)
        assert "Traceback" not in running.log
