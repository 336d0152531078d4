"""Messages, pings and pongs in both directions: what can be sent, and the types of what is received."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import wsrs

from ..conftest import Reports, Serve
from ..peers import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    frame,
    gather_into,
    listen,
    raw_client,
    within,
)


class WithBytes:
    def __bytes__(self) -> bytes:
        return b"with bytes"


SENDABLE = [
    ("grüße", TEXT, "grüße".encode()),
    ("", TEXT, b""),
    (5, TEXT, b"5"),
    (-0.5, TEXT, b"-0.5"),
    (b"bytes", BINARY, b"bytes"),
    (bytearray(b"array"), BINARY, b"array"),
    (memoryview(b"a-b-c")[::2], BINARY, b"abc"),
    (array.array("H", [1, 2]), BINARY, array.array("H", [1, 2]).tobytes()),
    ([0, 1, 255], BINARY, b"\x00\x01\xff"),
    ((7,), BINARY, b"\x07"),
    (wsrs.Blob(["bl", b"ob"]), BINARY, b"blob"),
    (WithBytes(), BINARY, b"with bytes"),
]
UNSENDABLE = [None, True, object(), {"a": 1}, {1, 2}, 1j]


@pytest_asyncio.fixture
async def pair(serve: Serve) -> AsyncIterator[tuple[Any, Peer]]:
    """A server's WebSocket and its client, which speaks bytes."""
    server = await serve()
    connection = listen(server, "connection")
    peer = await raw_client(server)
    ws, _ = await within(connection)
    yield ws, peer
    await peer.close()


class TestSending:
    @pytest.mark.parametrize(("data", "opcode", "payload"), SENDABLE)
    async def test_every_type_can_be_sent(
        self, pair: tuple[Any, Peer], data: Any, opcode: int, payload: bytes
    ) -> None:
        ws, peer = pair
        await within(ws.send(data))
        assert await peer.frame() == Frame(opcode, payload, True, False, 0)

    @pytest.mark.parametrize("data", UNSENDABLE)
    async def test_data_that_cannot_be_sent_is_named(self, pair: tuple[Any, Peer], data: Any) -> None:
        ws, peer = pair
        with pytest.raises(TypeError, match=type(data).__name__):
            ws.send(data)
        ws.send("the next")
        assert (await peer.frame()).payload == b"the next"

    @pytest.mark.parametrize(
        ("data", "kind", "text"),
        [
            ([1, 256], ValueError, "a list of ints from 0 to 255, not with 256 at index 1"),
            ((-1,), ValueError, "a tuple of ints from 0 to 255, not with -1 at index 0"),
            ([10**6000], ValueError, "not with an int of 19932 bits at index 0"),
            (["a"], TypeError, "not with 'a' of type str at index 0"),
            ([0, 1.5], TypeError, "not with 1.5 of type float at index 1"),
            ([[1]], TypeError, "not with a value of type list at index 0"),
            ([None], TypeError, "not with a value of type NoneType at index 0"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    async def test_a_list_with_an_item_that_is_no_byte_is_named(
        self, pair: tuple[Any, Peer], data: Any, kind: type[Exception], text: str
    ) -> None:
        """Each way to send raises the same message, after the end too."""
        server, (ws, peer) = wsrs.WebSocketServer(no_server=True), pair
        for send in (ws.send, ws.ping, ws.pong, lambda data: server.broadcast(data, clients=[ws])):
            with pytest.raises(kind, match=text):
                send(data)
        ws.send("the next")
        assert (await peer.frame()).payload == b"the next"
        ws.close()
        with pytest.raises(kind, match=text):
            ws.send(data)

    async def test_binary_or_text_by_choice(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        ws.send("text", binary=True)
        ws.send(b"binary", {"binary": False})
        assert [(await peer.frame())[:2] for _ in range(2)] == [(BINARY, b"text"), (TEXT, b"binary")]

    async def test_a_ping_may_be_sent_between_fragments(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        ws.send("a", fin=False)
        ws.ping("p")
        ws.send("b", {"fin": False})
        ws.send("c", fin=True)
        frames = [await peer.frame() for _ in range(4)]
        assert [(each.opcode, each.payload, each.fin) for each in frames] == [
            (TEXT, b"a", False),
            (PING, b"p", True),
            (CONTINUATION, b"b", False),
            (CONTINUATION, b"c", True),
        ]

    async def test_the_mask_of_a_message_may_be_chosen(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        ws.send("x", mask=True)
        answered = await peer.frame()
        assert answered.masked
        assert answered.payload == b"x"

    @pytest.mark.parametrize("where", ["second", "third", "keyword"])
    async def test_a_callback_is_called_after_its_frame(self, pair: tuple[Any, Peer], where: str) -> None:
        ws, peer = pair
        told = asyncio.get_running_loop().create_future()
        if where == "second":
            ws.send("x", told.set_result)
        elif where == "third":
            ws.send("x", {"binary": True}, told.set_result)
        else:
            ws.send("x", callback=told.set_result)
        assert await within(told) is None
        assert (await peer.frame()).payload == b"x"

    async def test_options_in_a_mapping_and_as_keywords(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        ws.send("x", {"fin": False}, binary=True, mask=True)
        ws.send("y", {"binary": True}, fin=True)
        first, second = await peer.frame(), await peer.frame()
        assert (first.opcode, first.fin, first.masked) == (BINARY, False, True)
        assert (second.opcode, second.payload, second.fin) == (CONTINUATION, b"y", True)
        with pytest.raises(TypeError, match="'binary' is given twice"):
            ws.send("z", {"binary": True}, binary=True)

    @pytest.mark.parametrize("name", ["binary", "compress", "fin", "mask"])
    @pytest.mark.parametrize("value", ["yes", 1, None])
    async def test_options_of_send_must_be_bool(self, pair: tuple[Any, Peer], name: str, value: Any) -> None:
        if value is None and name != "fin":
            pair[0].send("x", **{name: None})
            return
        with pytest.raises(TypeError, match=rf"^{name} must be a bool, not {type(value).__name__}"):
            pair[0].send("x", **{name: value})
        if name == "mask":
            for control in (pair[0].ping, pair[0].pong):
                with pytest.raises(TypeError, match=r"^mask must be a bool"):
                    control(b"", value)

    async def test_unknown_options_of_send_are_named(self, pair: tuple[Any, Peer]) -> None:
        with pytest.raises(TypeError, match=r"'compres'.*'compress'"):
            pair[0].send("x", {"compres": True})
        with pytest.raises(TypeError, match="binary must be a bool"):
            pair[0].send("x", {"binary": 1})

    async def test_pings_and_pongs_carry_their_data(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        told = [asyncio.get_running_loop().create_future() for _ in range(3)]
        ws.ping(None)
        assert (await peer.frame())[:4] == (PING, b"", True, False)
        with pytest.raises(TypeError, match="bool"):
            ws.ping(True)
        ws.ping(told[0].set_result)
        ws.pong("data", told[1].set_result)
        ws.ping(5, True, told[2].set_result)
        frames = [await peer.frame() for _ in range(3)]
        assert [each[:4] for each in frames] == [
            (PING, b"", True, False),
            (PONG, b"data", True, False),
            (PING, b"5", True, True),
        ]
        assert [await within(each) for each in told] == [None] * 3
        for call in (ws.ping, ws.pong):
            with pytest.raises(ValueError, match="125"):
                call(b"x" * 126)

    async def test_a_callback_that_cannot_be_called(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        for attempt in range(2):
            for call in (ws.send, ws.ping, ws.pong):
                with pytest.raises(TypeError, match=r"^callback must be callable, not int"):
                    call("refused", callback=5)
            with pytest.raises(TypeError, match=r"^callback must be callable, not int"):
                ws.send("refused", {"binary": True}, 5)
            if attempt == 0:
                # Nothing was sent, and a correct call still works.
                ws.send("taken")
                assert (await peer.frame()).payload == b"taken"
                ws.close()  # and the same after the end

    @pytest.mark.parametrize("size", [125, 126, 65535, 65536, 1_000_000])
    async def test_headers_of_every_length_are_read(self, pair: tuple[Any, Peer], size: int) -> None:
        ws, peer = pair
        ws.send(b"x" * size)
        assert (await peer.frame()).payload == b"x" * size

    async def test_a_client_may_mask_with_its_own_keys(self, raw_server: Any, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url, generate_mask=lambda key: key.__setitem__(slice(None), b"abcd"))
        peer = await raw_server.accept()
        await within(ws.wait_open())
        ws.send("\0\0\0\0\0")
        assert await within(peer.reader.readexactly(11)) == b"\x81\x85abcdabcda"


class TestSendingAndTheEnd:
    async def test_unwritten_data_is_reported_to_its_callbacks(self, pair: tuple[Any, Peer]) -> None:
        """The peer reads nothing: once the connection ends, callbacks get an error and no task waits any
        longer."""
        ws, _ = pair
        told: list[Any] = []
        done = asyncio.Event()
        waiting = asyncio.ensure_future(ws.send(bytes(32 * 1024 * 1024), gather_into(told, 2, done)))
        ws.ping(b"behind it", callback=gather_into(told, 2, done))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert ws.buffered_amount > 0
        ws.terminate()
        await within(ws.wait_closed())
        await within(done.wait())
        assert [isinstance(error, Exception) for (error,) in told] == [True, True]
        with pytest.raises(wsrs.ConnectionClosed):
            await within(waiting)

    async def test_data_is_taken_when_send_is_called(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        data = bytearray(b"before")
        sent = ws.send(data)
        data[:] = b"after!"
        await within(sent)
        assert (await peer.frame()).payload == b"before"

    async def test_a_callback_that_raises_is_reported(self, pair: tuple[Any, Peer], reports: Reports) -> None:
        ws, peer = pair

        def told(error: BaseException | None) -> None:
            raise KeyError("mine")

        ws.send("x", told)
        ws.send("y")
        assert [(await peer.frame()).payload for _ in range(2)] == [b"x", b"y"]
        heard = listen(ws, "pong")
        peer.write(frame(PONG))
        await within(heard)
        assert isinstance(reports.take()["exception"], KeyError)

    async def test_a_blob_there_and_back(self, echo: Any) -> None:
        async with wsrs.WebSocket(echo.url) as ws:
            ws.binary_type = "blob"
            blob = wsrs.Blob([b"a", "ü"], "text/plain")
            for send in (ws.send(blob), ws.send(blob, {"compress": False})):
                await within(send)
                received = await within(ws.recv())
                assert isinstance(received, wsrs.Blob)
                assert bytes(received) == bytes(blob)
            await ws.send(blob, binary=False)
            assert await within(ws.recv()) == "aü"

    async def test_wrong_types_of_options(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        for name in ("binary", "compress", "fin", "mask"):
            with pytest.raises(TypeError, match=name):
                ws.send("x", {name: 1})
        with pytest.raises(TypeError, match=r"given twice|multiple values|positional"):
            ws.send("x", {"fin": True}, None, True)
        ws.send("the next")
        assert (await peer.frame()).payload == b"the next"


class TestReceiving:
    async def test_the_message_event_has_bytes(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        seen: list[Any] = []
        both = asyncio.Event()
        ws.on("message", gather_into(seen, 3, both))
        peer.write(frame(TEXT, "ü".encode()) + frame(BINARY, b"\xff") + frame(TEXT, b"a", fin=False))
        peer.write(frame(CONTINUATION, b"b"))
        await within(both.wait())
        assert seen == [("ü".encode(), False), (b"\xff", True), (b"ab", False)]

    @pytest.mark.parametrize(
        ("binary_type", "expected"),
        [
            ("nodebuffer", b"ab"),
            ("arraybuffer", bytearray(b"ab")),
            ("blob", wsrs.Blob(b"ab")),
            ("fragments", [b"a", b"b"]),
        ],
    )
    async def test_binary_types(self, pair: tuple[Any, Peer], binary_type: str, expected: Any) -> None:
        ws, peer = pair
        ws.binary_type = binary_type
        assert ws.binaryType == binary_type
        message = frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"b")
        peer.write(message + frame(TEXT, b"text"))
        received = await within(ws.recv())
        assert received == expected
        assert type(received) is type(expected)
        assert await within(ws.recv()) == "text"
        heard = listen(ws, "message")
        peer.write(message)
        data, is_binary = await within(heard)
        assert data == expected
        assert type(data) is type(expected)
        assert is_binary is True

    async def test_binary_type_may_change_at_any_time(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        seen: list[Any] = []
        done = asyncio.Event()

        def listener(data: Any, is_binary: bool) -> None:
            seen.append(data)
            ws.binary_type = ["arraybuffer", "blob", "nodebuffer", "nodebuffer"][len(seen) - 1]
            if len(seen) == 4:
                done.set()

        ws.on("message", listener)
        for _ in range(4):
            peer.write(frame(BINARY, b"x"))
        await within(done.wait())
        assert seen == [b"x", bytearray(b"x"), wsrs.Blob(b"x"), b"x"]
        with pytest.raises(ValueError, match=r"binary_type must be one of .*, not 'buffer'"):
            ws.binary_type = "buffer"

    async def test_pings_are_answered_and_emitted(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        ping, pong = listen(ws, "ping"), listen(ws, "pong")
        peer.write(frame(PING, b"there?") + frame(PONG, b"here"))
        assert await peer.frame() == Frame(PONG, b"there?", True, False, 0)
        assert await within(ping) == (b"there?",)
        assert await within(pong) == (b"here",)

    async def test_pings_are_not_answered_without_auto_pong(self, serve: Serve) -> None:
        server = await serve(
            lambda ws, request: ws.on("ping", lambda data: ws.send("heard")), auto_pong=False
        )
        peer = await raw_client(server)
        peer.write(frame(PING, b"there?"))
        assert (await peer.frame()).payload == b"heard"
        await peer.close()

    async def test_pause_and_resume(self, pair: tuple[Any, Peer]) -> None:
        ws, peer = pair
        seen: list[Any] = []
        ws.on("message", lambda data, is_binary: seen.append(data))
        ws.pause()
        assert ws.is_paused
        assert ws.isPaused
        peer.write(frame(TEXT, b"1") + frame(PING))
        with pytest.raises(asyncio.TimeoutError):
            await within(listen(ws, "message"), 0.05)
        assert seen == []
        ws.resume()
        assert not ws.is_paused
        await peer.frame()
        assert seen == [b"1"]


async def test_a_pong_whose_mask_fails_is_reported_and_ends_nothing(serve: Serve, reports: Reports) -> None:
    def generate_mask(mask: bytearray) -> None:
        if fails:
            raise LookupError("no mask")

    fails = True
    server = await serve()
    came = listen(server, "connection")
    ws = wsrs.WebSocket(server.url, generate_mask=generate_mask)
    await within(ws.wait_open())
    other, _ = await within(came)
    pinged = listen(ws, "ping")
    other.ping(b"x")
    await within(pinged)
    assert isinstance(reports.take()["exception"], LookupError)
    fails = False
    ponged = listen(other, "pong")
    other.ping(b"y")
    assert await within(ponged) == (b"y",)
