"""Messages and pings between wsrs and each peer, in each role."""

from __future__ import annotations

import asyncio

import pytest

from ..peers import listen, within
from .conftest import Join, pairs
from .peer import Data, Deflate

MEBIBYTE = 1024 * 1024
KINDS: dict[str, Data] = {
    "text": "grüße, 世界 🎈",
    "binary": bytes(range(256)),
    "empty text": "",
    "empty binary": b"",
    "1 MiB of text": "äbc" * (MEBIBYTE // 4),
    "1 MiB of binary": bytes(range(256)) * (MEBIBYTE // 256),
}
everyone = pytest.mark.parametrize("chosen", pairs(), indirect=True)


@everyone
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_every_kind_arrives_as_it_was_sent(join: Join, secure: bool) -> None:
    link = await join(secure=secure)
    for data in KINDS.values():
        await link.theirs.send(data)
        assert await within(link.ours.recv()) == data
        await link.ours.send(data)
        assert await within(link.theirs.recv()) == data


@everyone
async def test_many_small_messages_keep_their_order(join: Join) -> None:
    link = await join()
    sent = [str(number) for number in range(200)]
    for message in sent:
        await link.ours.send(message)
    assert [await within(link.theirs.recv()) for _ in sent] == sent

    async def send_all() -> None:
        for message in sent:
            await link.theirs.send(message)

    sending = asyncio.ensure_future(send_all())
    assert [await within(link.ours.recv()) for _ in sent] == sent
    await within(sending)


@everyone
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_our_fragments_are_one_message(join: Join, compressed: bool) -> None:
    deflate: Deflate | None = {} if compressed else None
    link = await join(offer=deflate, answer=deflate)
    text = ["ein ", "", "grü", "ß"]
    binary = [b"\x00" * 70_000, b"\xff", b""]
    for part in text[:-1]:
        await link.ours.send(part, fin=False)
    await link.ours.send(text[-1])
    assert await within(link.theirs.recv()) == "".join(text)
    for piece in binary[:-1]:
        await link.ours.send(piece, fin=False)
    await link.ours.send(binary[-1])
    assert await within(link.theirs.recv()) == b"".join(binary)


@pytest.mark.parametrize("chosen", pairs(lambda peer, role: peer.fragments), indirect=True)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_their_fragments_are_one_message(join: Join, compressed: bool) -> None:
    deflate: Deflate | None = {} if compressed else None
    link = await join(offer=deflate, answer=deflate)
    await link.theirs.send_fragments(["ein ", "", "grü", "ß"])
    assert await within(link.ours.recv()) == "ein grüß"
    await link.theirs.send_fragments([b"\x00" * 70_000, b"\xff", b""])
    assert await within(link.ours.recv()) == b"\x00" * 70_000 + b"\xff"


@pytest.mark.parametrize("payload", [b"", b"are you there?", bytes(125)], ids=["empty", "text", "longest"])
@everyone
async def test_our_ping_comes_back(join: Join, payload: bytes) -> None:
    link = await join()
    pong = listen(link.ours, "pong")
    link.ours.ping(payload)
    assert await within(pong) == (payload,)


@pytest.mark.parametrize("chosen", pairs(lambda peer, role: peer.pings), indirect=True)
async def test_their_ping_is_told_and_comes_back(join: Join) -> None:
    link = await join()
    ping = listen(link.ours, "ping")
    assert await within(link.theirs.ping(b"are you there?")) == b"are you there?"
    assert await within(ping) == (b"are you there?",)


@pytest.mark.parametrize("chosen", pairs(lambda peer, role: role == "client"), indirect=True)
async def test_twenty_clients_of_the_peer_at_once(join: Join) -> None:
    links = await asyncio.gather(*(join() for _ in range(20)))

    async def talk(number: int) -> None:
        ours, theirs = links[number].ours, links[number].theirs
        for turn in range(5):
            await theirs.send(f"{number}, {turn}")
            # Connections are taken in the order in which they came; the message tells which one this is.
            message = await within(ours.recv())
            assert message.endswith(f", {turn}")
            await ours.send(message)

    async def hear(number: int) -> list[Data]:
        return [await within(links[number].theirs.recv()) for _ in range(5)]

    await asyncio.gather(*(talk(number) for number in range(20)))
    for number in range(20):
        assert await hear(number) == [f"{number}, {turn}" for turn in range(5)]


@pytest.mark.parametrize("chosen", pairs(lambda peer, role: role == "server"), indirect=True)
async def test_twenty_of_our_clients_at_once(join: Join) -> None:
    links = [await join() for _ in range(20)]
    for number, link in enumerate(links):
        await link.ours.send(str(number))
    for number, link in enumerate(links):
        assert await within(link.theirs.recv()) == str(number)
        await link.theirs.send(f"you said {number}")
    answers = await asyncio.gather(*(within(link.ours.recv()) for link in links))
    assert answers == [f"you said {number}" for number in range(20)]
