"""Fixtures that run a test in both roles and on both kinds of transport."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

import wsrs
from wsrs._active_core import core, new_deflate

from ..conftest import Reports, Serve
from ..core.harness import KEY, Side
from ..core.harness import frame as memory_frame
from ..peers import MASK, Peer, RawServer, frame, listen, raw_client, within

if sys.platform == "win32":
    # These tests need forks, limits on descriptors, and a system that reports memory.
    collect_ignore = ["test_ends.py", "test_floods.py", "test_frames.py"]

KINDS = ["engine", "loop"] if wsrs.backend == "core" else ["loop"]
"""The transports that a connection may run on; the pure core has only the loop's."""


def resident() -> int:
    """Bytes of memory that the process holds or, if the system does not say, has held at most."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture(params=KINDS)
def transports(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The transports that all connections of a test run on: the engine's, or the loop's as on Windows."""
    if request.param == "loop":
        monkeypatch.setattr(core, "reactor", lambda loop: None)
    return str(request.param)


class Attacked(NamedTuple):
    """A WebSocket of ours, and the peer that attacks it with bytes."""

    ws: Any
    peer: Peer
    mask: bytes | None

    def frame(self, opcode: int, payload: bytes = b"", **how: Any) -> bytes:
        """A frame as the peer's role must send it."""
        return frame(opcode, payload, mask=self.mask, **how)


Attack = Callable[..., Awaitable[Attacked]]


@pytest_asyncio.fixture(params=["server", "client"])
async def attack(
    request: pytest.FixtureRequest, transports: str, serve: Serve, raw_server: RawServer, reports: Reports
) -> AsyncIterator[Attack]:
    """`await attack(**options)` makes an open WebSocket of ours; the test runs in each role."""
    peers: list[Peer] = []

    async def make(**options: Any) -> Attacked:
        if request.param == "server":
            server = await serve(**options)
            connection = listen(server, "connection")
            offer: dict[str, Any] = {"sec_websocket_extensions": "permessage-deflate"}
            peer = await raw_client(server, **(offer if options.get("per_message_deflate") else {}))
            peers.append(peer)
            return Attacked((await within(connection))[0], peer, MASK)
        ws = wsrs.WebSocket(raw_server.url, **options)
        answer: dict[str, Any] = {"sec_websocket_extensions": "permessage-deflate"}
        peer = await raw_server.accept(**(answer if options.get("per_message_deflate") else {}))
        await within(ws.wait_open())
        return Attacked(ws, peer, None)

    yield make
    for peer in peers:
        peer.reset()
        await peer.close()


class Bytes:
    """One side of a connection on an in-memory transport, on the core that the suite runs on."""

    def __init__(self, loop: Any, is_server: bool) -> None:
        self.loop = loop
        self.is_server = is_server
        self.key = KEY if is_server else None

    def side(self, *, deflate: bool = False, **options: Any) -> Side:
        """A new connection."""
        if deflate:
            extension = new_deflate(is_server=self.is_server)
            if not self.is_server:
                extension.offer()
            extension.accept([{}])
            options["deflate"] = extension
        return Side(core, self.loop, self.is_server, **options)

    def frame(self, opcode: int, payload: bytes = b"", **how: Any) -> bytes:
        """A frame as the peer's role sends it."""
        return memory_frame(opcode, payload, **{"key": self.key, **how})


@pytest.fixture(params=["server", "client"])
def role(request: pytest.FixtureRequest) -> Iterator[Bytes]:
    """In-memory connections in each role."""
    loop = asyncio.new_event_loop()
    core.set_time_slice(0)  # what is fed is delivered at once, however long it takes
    yield Bytes(loop, request.param == "server")
    core.set_time_slice(0.005)
    loop.close()
