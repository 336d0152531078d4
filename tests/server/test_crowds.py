"""Many sockets are ready at once: what happens to one, or what its listener does, does not affect the
others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ..conftest import Reports
from ..peers import BINARY, TEXT, close_frame, frame, within
from ..rooms import KIB, MakeRoom, Room

pytestmark = pytest.mark.usefixtures("transports")

CROWD = 40
"""More clients than the engine reads before it delivers."""
EVERYONE = [(number, b"%d" % number) for number in range(CROWD)]
"""The message that `speak` sends from each client."""


class Heard(list[tuple[int, bytes]]):
    """Records which WebSocket got which message, in order; `act` is called with the first that gets one."""

    def __init__(self, room: Room, act: Callable[[int], object] = lambda first: None) -> None:
        super().__init__()
        self._act = act
        self._more = asyncio.Event()
        for number, ws in enumerate(room.ws):
            ws.on("message", lambda data, is_binary, number=number: self._hear(number, data))

    def _hear(self, number: int, data: bytes) -> None:
        self.append((number, data))
        self._more.set()
        if len(self) == 1:
            self._act(number)

    async def have(self, count: int) -> None:
        """Wait until `count` messages have arrived."""
        while len(self) < count:
            self._more.clear()
            await within(self._more.wait())


def speak(room: Room, *, and_close: bool = False) -> None:
    """Send a message from each client, all before the loop runs again."""
    for number, peer in enumerate(room.peers):
        message = frame(BINARY, b"%d" % number)
        if and_close:
            peer.hang_up(message + close_frame(1000))
        else:
            peer.write(message)


async def test_one_listener_terminates_all_the_others(make_room: MakeRoom) -> None:
    room = await make_room(CROWD)
    heard = Heard(room, lambda first: [ws.terminate() for ws in room.ws if ws is not room.ws[first]])
    closed = [asyncio.ensure_future(ws.wait_closed()) for ws in room.ws]
    speak(room)
    await heard.have(1)
    first = heard[0][0]
    await within(asyncio.gather(*(one for one in closed if one is not closed[first])))
    room.peers[first].write(frame(BINARY, b"more"))
    await heard.have(2)
    assert heard == [(first, b"%d" % first), (first, b"more")]
    closed[first].cancel()


async def test_one_listener_closes_all_the_others(make_room: MakeRoom) -> None:
    room = await make_room(CROWD)
    codes: list[int] = []
    heard = Heard(room, lambda first: [ws.close(4000) for ws in room.ws if ws is not room.ws[first]])
    for ws in room.ws:
        ws.on("close", lambda code, reason: codes.append(code))
    speak(room, and_close=True)
    await within(asyncio.gather(*(ws.wait_closed() for ws in room.ws)))
    # As in ws, messages are delivered until the peer's close frame.
    assert sorted(heard) == EVERYONE
    assert codes == [1000] * CROWD


@pytest.mark.parametrize("and_close", [False, True], ids=["message", "message and close"])
async def test_one_listener_pauses_all_the_others(make_room: MakeRoom, and_close: bool) -> None:
    room = await make_room(CROWD)
    heard = Heard(room, lambda first: [ws.pause() for ws in room.ws if ws is not room.ws[first]])
    speak(room, and_close=and_close)
    await heard.have(1)
    first = heard[0][0]
    if and_close:
        await within(room.ws[first].wait_closed())
    else:
        room.peers[first].write(frame(BINARY, b"more"))
        await heard.have(2)
    assert {number for number, _ in heard} == {first}
    for ws in room.ws:
        ws.resume()
    await heard.have(CROWD if and_close else CROWD + 1)
    assert sorted(one for one in heard if one[1] != b"more") == EVERYONE
    if and_close:
        await within(asyncio.gather(*(ws.wait_closed() for ws in room.ws)))


async def test_some_clients_hang_up_and_some_are_reset(make_room: MakeRoom) -> None:
    room = await make_room(CROWD)
    heard = Heard(room)
    closed = [asyncio.ensure_future(ws.wait_closed()) for ws in room.ws]
    for number, peer in enumerate(room.peers):
        if number % 4 == 0:
            peer.reset()
        elif number % 4 == 1:
            peer.hang_up(frame(BINARY, b"%d" % number))
        else:
            peer.write(frame(BINARY, b"%d" % number))
    await within(asyncio.gather(*(one for number, one in enumerate(closed) if number % 4 < 2)))
    for number, peer in enumerate(room.peers):
        if number % 4 > 1:
            peer.write(frame(TEXT, b"more"))
    await heard.have(CROWD // 4 + CROWD)
    for number, one in enumerate(closed):
        expected = [[], [b"%d" % number], [b"%d" % number, b"more"], [b"%d" % number, b"more"]]
        assert [data for who, data in heard if who == number] == expected[number % 4]
        assert one.done() == (number % 4 < 2)
        one.cancel()


async def test_small_and_large_messages_come_together(make_room: MakeRoom) -> None:
    room = await make_room(CROWD)
    for ws in room.ws:
        ws.on("message", lambda data, is_binary, ws=ws: ws.send(data))
    sizes = [0, 1, 100, 20 * KIB, 70 * KIB, 300 * KIB]
    messages = [bytes([number]) * sizes[number % len(sizes)] for number in range(CROWD)]
    for peer, message in zip(room.peers, messages, strict=True):
        peer.write(frame(BINARY, message) + frame(BINARY, b"and"))
    answers: list[Any] = await within(asyncio.gather(*(peer.frame() for peer in room.peers)))
    assert [answer.payload for answer in answers] == messages
    assert {answer.payload for answer in await within(room.frames())} == {b"and"}


LONG = 40 * KIB
"""The size of a message. Once `BEGUN` bytes of it have arrived, the rest is read directly into it."""
BEGUN = 22 * KIB


async def begin(room: Room, data: bytes, opcode: int = BINARY) -> bytes:
    """Send the beginning of a long message from the second client, and return the rest of it."""
    whole = frame(opcode, data)
    wire = room.ws[1].stats().received.wire
    room.peers[1].write(whole[:BEGUN])
    while room.ws[1].stats().received.wire < wire + BEGUN:  # noqa: ASYNC110 -- no event reports a part
        await asyncio.sleep(0)
    return whole[BEGUN:]


@pytest.mark.parametrize("heartbeat", [None, 30], ids=["", "heartbeat"])
@pytest.mark.parametrize("briefly", [False, True], ids=["pause", "pause and resume"])
@pytest.mark.parametrize("text", [b"a" * LONG, b"a" * (LONG - 1) + b"\xff"], ids=["message", "no text"])
async def test_the_end_of_a_long_message_comes_as_another_listener_pauses(
    make_room: MakeRoom, transports: str, heartbeat: float | None, briefly: bool, text: bytes
) -> None:
    room = await make_room(2, heartbeat=heartbeat)
    first, second = room.ws
    seen: list[Any] = []
    paused = asyncio.Event()

    def pause(data: bytes, is_binary: bool) -> None:
        second.pause()
        if briefly:
            second.resume()
        paused.set()

    first.on("message", pause)
    second.on("message", lambda data, is_binary: seen.append(data))
    second.on("error", lambda error: seen.append(error.code))
    rest = await begin(room, text, TEXT)
    room.peers[0].write(frame(BINARY, b"now"))
    room.peers[1].hang_up(rest)
    await within(paused.wait())
    if not briefly:
        for _ in range(10):
            await asyncio.sleep(0)
        # A loop may serve either of the two sockets first; wsrs's engine serves the first that sent
        # something.
        assert seen == [] or transports == "loop"
        second.resume()
    await within(second.wait_closed())
    assert seen == ([text] if text.isascii() else ["WS_ERR_INVALID_UTF8"])


async def test_the_end_of_a_long_message_comes_after_a_message_that_pauses(make_room: MakeRoom) -> None:
    room = await make_room(2)
    first, second = room.ws
    seen: list[bytes] = []
    heard = asyncio.Event()

    def listen(data: bytes, is_binary: bool) -> None:
        seen.append(data)
        if len(seen) == 1:
            second.pause()
        heard.set()

    aiter(second)  # messages wait in the inbox until there is a listener
    first.on("message", lambda data, is_binary: second.on("message", listen))
    room.peers[1].write(frame(BINARY, b"before"))
    rest = await begin(room, bytes(LONG))
    room.peers[0].write(frame(BINARY, b"now"))
    room.peers[1].hang_up(rest)
    await within(heard.wait())
    assert seen == [b"before"]
    second.resume()
    await within(second.wait_closed())
    assert seen == [b"before", bytes(LONG)]


async def test_one_listener_raises_and_the_others_get_their_messages(
    make_room: MakeRoom, reports: Reports
) -> None:
    room = await make_room(CROWD)

    def fail(first: int) -> None:
        raise KeyError(first)

    heard = Heard(room, fail)
    speak(room)
    await heard.have(CROWD)
    assert sorted(heard) == EVERYONE
    assert reports.take()["exception"].args == (heard[0][0],)
