"""The peers, each of which is started once, and `join`, which connects wsrs with one of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import wsrs

from ..conftest import Serve
from ..peers import port_of, within
from . import presence
from .peer import Deflate, Link, Peer, address, serving, trusting
from .peer_aiohttp import Aiohttp
from .peer_chromium import Chromium, start_chromium
from .peer_websockets import Websockets
from .peer_ws import Ws
from .process import Process

PEERS: dict[str, type[Peer]] = {
    "ws": Ws,
    "websockets": Websockets,
    "aiohttp": Aiohttp,
    "chromium": Chromium,
}

Join = Callable[..., Awaitable[Link]]


def pairs(condition: Callable[[type[Peer], str], bool] = lambda peer, role: True) -> list[Any]:
    """The peers with the roles that they can have, as parameters of `join`."""
    return [
        pytest.param((name, role), id=f"{name}-{role}")
        for name, peer in PEERS.items()
        for role in peer.roles
        if condition(peer, role)
    ]


@pytest.fixture(scope="session")
def node() -> Iterator[int]:
    """The port of the program that drives ws."""
    program, folder = presence.node_with_ws()
    process = Process([program, str(presence.NODE_SOURCES / "peer.mjs"), str(folder)])
    yield int(process.wait_for(r"^port (\d+)")[1])
    process.stop()


@pytest.fixture(scope="session")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Chromium's DevTools."""
    folder: Path = tmp_path_factory.mktemp("chromium")
    process, url = start_chromium(presence.browser(), folder)
    yield url
    process.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture
async def chromium(devtools: str, reports: object) -> AsyncIterator[Chromium]:
    """A page of Chromium."""
    peer = Chromium(devtools)
    await within(peer.start())
    yield peer
    await within(peer.stop())


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> tuple[Peer, str]:
    """The peer of this test and its role, with its program started if it needs one."""
    name, role = request.param
    if name == "ws":
        return Ws(request.getfixturevalue("node")), role
    if name == "chromium":
        return Chromium(request.getfixturevalue("devtools")), role
    return PEERS[name](), role


def our_deflate(deflate: Deflate | None) -> Any:
    """Compress every message, however short, because compression is tested."""
    return False if deflate is None else {"threshold": 0, **deflate}


@pytest_asyncio.fixture
async def join(chosen: tuple[Peer, str], serve: Serve) -> AsyncIterator[Join]:
    """Makes connections to the peer of this test.

    The client asks for `protocols` and `offer`; the server knows `known` and `answer`. These are
    subprotocols, and the parameters of permessage-deflate.
    """
    peer, role = chosen
    await within(peer.start())
    arrivals: asyncio.Queue[wsrs.WebSocket] = asyncio.Queue()

    async def their_client(
        secure: bool, protocols: Sequence[str], known: Sequence[str], offer: Deflate | None, answer: Any
    ) -> Link:
        options: dict[str, Any] = {"per_message_deflate": our_deflate(answer)}
        if secure:
            options["ssl"] = serving()
        if known:
            options["handle_protocols"] = lambda offered, request: next(
                (each for each in known if each in offered), False
            )
        server = await serve(lambda ws, request: arrivals.put_nowait(ws), **options)
        url = address(port_of(server), secure)
        theirs = await within(peer.connect(url, protocols=protocols, deflate=offer))
        return Link(await within(arrivals.get()), theirs, peer.echoes)

    async def their_server(
        secure: bool, protocols: Sequence[str], known: Sequence[str], offer: Deflate | None, answer: Any
    ) -> Link:
        url = await within(peer.serve(secure=secure, protocols=known, deflate=answer))
        options: dict[str, Any] = {"ssl": trusting()} if secure else {}
        ours = wsrs.WebSocket(url, list(protocols), per_message_deflate=our_deflate(offer), **options)
        await within(ours.wait_open())
        return Link(ours, await within(peer.accept()), peer.echoes)

    async def make(
        *,
        secure: bool = False,
        protocols: Sequence[str] = (),
        known: Sequence[str] = (),
        offer: Deflate | None = None,
        answer: Deflate | None = None,
    ) -> Link:
        way = their_client if role == "client" else their_server
        return await way(secure, protocols, known, offer, answer)

    yield make
    await within(peer.stop())
