"""Subprotocols and permessage-deflate (RFC 7692), agreed on with each peer."""

from __future__ import annotations

from typing import Any

import pytest

from ..peers import within
from .conftest import PEERS, Join, pairs
from .peer import Deflate, Link, Peer

everyone = pytest.mark.parametrize("chosen", pairs(), indirect=True)

WISHES: dict[str, Deflate] = {
    "default": {},
    "server without takeover": {"server_no_context_takeover": True},
    "client without takeover": {"client_no_context_takeover": True},
    "both without takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "server window of 9 bits": {"server_max_window_bits": 9},
    "client window of 9 bits": {"client_max_window_bits": 9},
    "both windows of 10 bits": {"server_max_window_bits": 10, "client_max_window_bits": 10},
}


def agreed_on(peer: type[Peer], role: str, wish: Deflate) -> bool:
    """True if the peer can make the request as a client, or meets it as a server."""
    return set(wish) <= (peer.offers if role == "client" else peer.honours)


def wishes() -> list[Any]:
    return [
        pytest.param((name, role), wish, id=f"{name}-{role}-{title}")
        for name, peer in PEERS.items()
        for role in peer.roles
        for title, wish in WISHES.items()
        if agreed_on(peer, role, wish)
    ]


async def talk(link: Link) -> None:
    """Exchange repetitive messages longer than the windows: a wrong window or a lost context would show."""
    for turn in range(4):
        text = f"{turn}: the quick brown fox " * 3_000
        binary = bytes((place * place + turn) % 251 for place in range(5_000))
        for data in (text, binary, "short", b""):
            await link.ours.send(data)
            assert await within(link.theirs.recv()) == data
            await link.theirs.send(data)
            assert await within(link.ours.recv()) == data


@pytest.mark.parametrize(("chosen", "wish"), wishes(), indirect=["chosen"])
async def test_parameters_that_the_client_asks_for_are_agreed_on_and_work(join: Join, wish: Deflate) -> None:
    link = await join(offer=wish, answer={})
    agreed = link.ours.extensions["permessage-deflate"]
    assert {name: agreed.get(name) for name in wish} == wish
    assert link.theirs.compressed
    await talk(link)


@pytest.mark.parametrize("chosen", pairs(lambda peer, role: role == "client"), indirect=True)
@pytest.mark.parametrize(
    "choice",
    [
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 10},
    ],
    ids=["no takeover", "small windows"],
)
async def test_parameters_that_our_server_chooses_are_obeyed(join: Join, choice: Deflate) -> None:
    link = await join(offer={}, answer=choice)
    agreed = link.ours.extensions["permessage-deflate"]
    assert {name: agreed.get(name) for name in choice} == choice
    await talk(link)


@everyone
async def test_compression_over_tls(join: Join) -> None:
    link = await join(secure=True, offer={}, answer={})
    assert link.theirs.compressed
    await talk(link)


@everyone
async def test_without_compression_in_the_server_there_is_none(join: Join) -> None:
    link = await join(offer={})
    assert link.ours.extensions == {}
    assert not link.theirs.compressed
    await link.theirs.send("plain")
    assert await within(link.ours.recv()) == "plain"


@everyone
async def test_both_sides_choose_the_subprotocol_that_both_know(join: Join) -> None:
    link = await join(protocols=["v3.chat", "v2.chat"], known=["v2.chat", "v1.chat"])
    assert link.ours.protocol == link.theirs.protocol == "v2.chat"


@everyone
async def test_without_a_request_there_is_no_subprotocol(join: Join) -> None:
    link = await join()
    assert link.ours.protocol == link.theirs.protocol == ""
