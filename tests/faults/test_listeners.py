"""The program's own listeners raise or call back, in every event and on either side: the others go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import (
    PING,
    PONG,
    TEXT,
    RawServer,
    close_frame,
    connect,
    frame,
    listen,
    raw_client,
    upgrade_request,
    within,
)
from .conftest import ServeOthers

CALLS = (
    "raise",
    "send",
    "ping",
    "close",
    "terminate",
    "pause",
    "remove itself",
    "remove all",
    "broadcast",
    "await",
)


class Acting:
    """A listener that does one thing with its WebSocket each time it is called."""

    def __init__(self, ws: Any, server: Any, event: str, call: str) -> None:
        self.ws, self.server, self.event, self.call = ws, server, event, call
        self.tasks: list[asyncio.Task[Any]] = []

    def __call__(self, *args: Any) -> None:
        ws, call = self.ws, self.call
        if call == "raise":
            raise LookupError(self.event)
        if call in ("send", "ping"):
            if ws.ready_state != wsrs.CONNECTING:
                getattr(ws, call)("from within")
        elif call == "pause":
            ws.pause()
            asyncio.get_running_loop().call_soon(ws.resume)
        elif call == "remove itself":
            ws.off(self.event, self)
        elif call == "remove all":
            ws.remove_all_listeners(self.event)
        elif call == "broadcast":
            self.server.broadcast("to nobody", clients=[ws])
        elif call == "await":
            self.tasks.append(asyncio.ensure_future(ws.wait_closed()))
        else:
            getattr(ws, call)()


def taken(reports: Reports) -> None:
    """True if every report is about a listener that raised."""
    while reports:
        assert isinstance(reports.take()["exception"], LookupError)


@pytest.mark.parametrize("call", CALLS)
async def test_faults_of_a_servers_websocket_listeners_leave_the_others_alone(
    serve_others: ServeOthers, reports: Reports, call: str
) -> None:
    closes: list[Any] = []
    acting: list[Acting] = []
    event = ""

    def came(ws: Any, request: Any) -> None:
        # This one is first, so that no exception of another listener keeps it from being called.
        closed = asyncio.get_running_loop().create_future()
        closes.append(closed)
        ws.on("close", lambda code, reason: closed.set_result(code))
        acting.append(Acting(ws, server, event, call))
        if event == "connection":
            acting[-1]()
        else:
            if event != "error":
                ws.on("error", lambda error: None)
            ws.on(event, acting[-1])

    server, others = await serve_others(came)
    for event in ("connection", "message", "ping", "pong", "error", "close"):
        peer = await connect(server)
        last = frame(3, b"") if event == "error" else close_frame(4000)
        frames = frame(TEXT, b"1") + frame(PING) + frame(PONG) + frame(TEXT, b"2") + last
        peer.write(upgrade_request("/fault") + frames)
        peer.writer.write_eof()
        await peer.rest_or_reset()
        # A second `set_result` would be an InvalidStateError, which is reported.
        assert await within(closes[-1]) in (1005, 1006, 4000)
        await peer.close()
        await others.go_on(2)
    for each in acting:
        await within(asyncio.gather(*each.tasks))
    assert len(closes) == 6
    if call == "raise":
        assert len(reports) >= 6
    taken(reports)


@pytest.mark.parametrize("call", CALLS)
async def test_faults_of_a_clients_listeners_leave_the_others_alone(
    serve_others: ServeOthers, raw_server: RawServer, reports: Reports, call: str
) -> None:
    server, others = await serve_others()
    for event in ("upgrade", "open", "message", "ping", "pong", "error", "close"):
        ws: Any = wsrs.WebSocket(raw_server.url)
        closes: list[int] = []
        ws.on("close", lambda code, reason, closes=closes: closes.append(code))
        acting = Acting(ws, server, event, call)
        if event != "error":
            ws.on("error", lambda error: None)
        if event == "error" and call == "remove all":
            ws.on("close", lambda *args: None)
        ws.on(event, acting)
        last = frame(3, b"", mask=None) if event == "error" else close_frame(4000, mask=None)
        frames = b"".join(frame(opcode, b"x", mask=None) for opcode in (TEXT, PING, PONG, TEXT))
        peer = await raw_server.accept(then=frames + last)
        peer.writer.write_eof()
        await within(ws.wait_closed())
        await within(asyncio.gather(*acting.tasks))
        assert closes in ([1005], [1006], [4000])
        await others.go_on(2)
    taken(reports)


@pytest.mark.parametrize("where", ["listening", "headers", "connection", "wsClientError", "close"])
@pytest.mark.parametrize("what", ["raise", "remove", "close"])
async def test_faults_of_a_servers_own_listeners_leave_the_others_alone(
    serve_others: ServeOthers, reports: Reports, where: str, what: str
) -> None:
    """The others belong to another server in the same loop."""
    _, others = await serve_others()
    server: Any = wsrs.WebSocketServer(port=0, host="127.0.0.1")
    heard = asyncio.Event()

    def act(*args: Any) -> None:
        heard.set()
        if where == "wsClientError":
            args[1].abort()
        actions: dict[str, Callable[[], Any]] = {
            "remove": lambda: server.off(where, act),
            "close": server.close,
            "raise": lambda: {"what": where}[where],
        }
        actions[what]()

    server.on(where, act)
    await within(server.wait_listening())
    if server.address() is not None and where not in ("listening", "close"):
        peer = await connect(server)
        peer.write(upgrade_request(method="PUT" if where == "wsClientError" else "GET"))
        await peer.rest_or_reset() if where == "wsClientError" else await peer.head()
        peer.reset()
    await others.go_on(2)
    closed = listen(server, "close")
    server.close()
    await within(closed)
    await within(server.wait_closed())
    assert heard.is_set()
    if what == "raise":
        assert isinstance(reports.take()["exception"], KeyError)


async def test_hooks_that_raise_leave_the_others_alone(serve_others: ServeOthers, reports: Reports) -> None:
    def fails(*args: Any) -> Any:
        raise LookupError("hook")

    for hook in ("verify_client", "handle_protocols"):
        server, others = await serve_others()
        server.options[hook] = fails
        peer = await connect(server)
        peer.write(upgrade_request("/fault", sec_websocket_protocol="a"))
        assert (await peer.head())[0] == "HTTP/1.1 500 Internal Server Error"
        await peer.close()
        server.options[hook] = None
        await (await raw_client(server, "/fault")).close()
        await others.go_on(2)
        taken(reports)


A_PROGRAM_THAT_A_LISTENER_ENDS = """
import asyncio, importlib, sys, wsrs

def listen(ws, request):
    def on_message(data, is_binary):
        if data == b"2":
            sys.exit(7)

    ws.on("message", on_message)

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1", allow_synchronous_events=False) as server:
        server.on("connection", listen)
        client = wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}")
        await client.wait_open()
        client.send("1")
        client.send("2")
        await asyncio.sleep(30)

importlib.import_module(sys.argv[1]).run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_listener_that_exits_in_a_later_tick_ends_the_program(loop: str) -> None:
    """With `allow_synchronous_events=False` the second message is delivered by the loop itself."""
    ended = subprocess.run(
        [sys.executable, "-c", A_PROGRAM_THAT_A_LISTENER_ENDS, loop],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (ended.returncode, ended.stdout) == (7, ""), ended.stderr
