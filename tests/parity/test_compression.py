"""The options of permessage-deflate, observed by a peer that inflates and deflates with zlib itself."""

from __future__ import annotations

import json
import random
import zlib
from typing import Any

import pytest

import wsrs

from ..peers import BINARY, CLOSE, CONTINUATION, PING, TEXT, Frame, gather_into, listen, within
from .conftest import MakePair, Pair

COMPRESSED = 0x40
TAIL = b"\x00\x00\xff\xff"
TEXTS = json.dumps([{"id": number, "name": f"name {number % 7}"} for number in range(400)])
OFFER = {"sec_websocket_extensions": "permessage-deflate; client_max_window_bits"}
ANSWER = {"sec_websocket_extensions": "permessage-deflate"}


def deflate(data: bytes, bits: int = 15) -> bytes:
    """Compress a message as RFC 7692 section 7.2.1 says."""
    compressor = zlib.compressobj(wbits=-bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(data: bytes, bits: int = 15) -> bytes:
    """Inflate a message that refers to no earlier one."""
    return zlib.decompressobj(wbits=-bits).decompress(data + TAIL)


async def compressing(make_pair: MakePair, offer: str = "", **options: Any) -> Pair:
    """A server with these `per_message_deflate` options, and a client that offers `offer`."""
    fields = {"sec_websocket_extensions": "permessage-deflate" + offer}
    return await make_pair("server", fields, perMessageDeflate=options or True)


async def sent(pair: Pair, data: Any, **options: Any) -> Frame:
    pair.ws.send(data, **options)
    return await pair.peer.frame()


class TestNegotiation:
    async def test_off_by_default_in_a_server(self, make_pair: MakePair) -> None:
        pair = await make_pair("server", OFFER)
        assert "sec-websocket-extensions" not in pair.head
        assert pair.ws.extensions == {}
        assert (await sent(pair, TEXTS)).rsv == 0

    async def test_on_by_default_in_a_client(self, make_pair: MakePair) -> None:
        pair = await make_pair("client", ANSWER)
        assert pair.head["sec-websocket-extensions"] == "permessage-deflate; client_max_window_bits"
        assert pair.ws.extensions == {"permessage-deflate": {}}
        frame = await sent(pair, TEXTS)
        assert frame.rsv == COMPRESSED
        assert inflate(frame.payload).decode() == TEXTS
        message = listen(pair.ws, "message")
        pair.write(TEXT, deflate(b"hello"), rsv=COMPRESSED)
        assert await within(message) == (b"hello", False)

    async def test_a_client_may_leave_compression_out(self, make_pair: MakePair) -> None:
        pair = await make_pair("client", perMessageDeflate=False)
        assert "sec-websocket-extensions" not in pair.head

    async def test_a_client_asks_for_what_its_options_say(self, make_pair: MakePair) -> None:
        options = {
            "serverNoContextTakeover": True,
            "client_no_context_takeover": True,
            "serverMaxWindowBits": 10,
            "clientMaxWindowBits": 9,
        }
        answer = "; ".join(
            (
                "permessage-deflate",
                "server_no_context_takeover",
                "client_no_context_takeover",
                "server_max_window_bits=10",
                "client_max_window_bits=9",
            )
        )
        pair = await make_pair("client", {"sec_websocket_extensions": answer}, per_message_deflate=options)
        assert pair.head["sec-websocket-extensions"] == answer
        assert pair.ws.extensions["permessage-deflate"] == {
            "server_no_context_takeover": True,
            "client_no_context_takeover": True,
            "server_max_window_bits": 10,
            "client_max_window_bits": 9,
        }
        frame = await sent(pair, TEXTS)
        assert inflate(frame.payload, 9).decode() == TEXTS


class TestParameters:
    async def test_server_no_context_takeover(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, serverNoContextTakeover=True)
        assert "server_no_context_takeover" in pair.head["sec-websocket-extensions"]
        first, second = await sent(pair, TEXTS), await sent(pair, TEXTS)
        assert first == second
        pair = await compressing(make_pair)
        noise = random.Random(1).randbytes(2000)
        first, second = await sent(pair, noise), await sent(pair, noise)
        assert len(second.payload) < len(first.payload) / 10

    async def test_client_no_context_takeover(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, "; client_no_context_takeover", client_no_context_takeover=True)
        assert "client_no_context_takeover" in pair.head["sec-websocket-extensions"]
        messages: list[Any] = []
        for _ in range(2):
            message = listen(pair.ws, "message")
            pair.write(TEXT, deflate(TEXTS.encode()), rsv=COMPRESSED)
            messages.append(await within(message))
        assert messages == 2 * [(TEXTS.encode(), False)]

    async def test_server_max_window_bits(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, serverMaxWindowBits=9)
        assert "server_max_window_bits=9" in pair.head["sec-websocket-extensions"]
        frame = await sent(pair, TEXTS)
        assert inflate(frame.payload, 9).decode() == TEXTS

    async def test_client_max_window_bits(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, "; client_max_window_bits", clientMaxWindowBits=10)
        assert "client_max_window_bits=10" in pair.head["sec-websocket-extensions"]
        message = listen(pair.ws, "message")
        pair.write(TEXT, deflate(TEXTS.encode(), 10), rsv=COMPRESSED)
        assert await within(message) == (TEXTS.encode(), False)

    async def test_zlib_deflate_options(self, make_pair: MakePair) -> None:
        lengths = []
        for level in (0, 1, 9):
            pair = await compressing(make_pair, zlibDeflateOptions={"level": level, "memLevel": 9})
            frame = await sent(pair, TEXTS)
            assert inflate(frame.payload).decode() == TEXTS
            lengths.append(len(frame.payload))
        assert lengths[0] > len(TEXTS) > lengths[1] > lengths[2]

    async def test_zlib_inflate_options(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, zlibInflateOptions={})
        message = listen(pair.ws, "message")
        pair.write(TEXT, deflate(TEXTS.encode()), rsv=COMPRESSED)
        assert await within(message) == (TEXTS.encode(), False)
        wrong: Any = {"zlibInflateOptions": {"chunkSizes": 1}}
        with pytest.raises(TypeError, match="'chunkSizes'"):
            wsrs.WebSocketServer(no_server=True, per_message_deflate=wrong)

    async def test_threshold(self, make_pair: MakePair) -> None:
        """Without context takeover, shorter messages are not compressed: the default is 1,024 bytes."""
        pair = await compressing(make_pair, serverNoContextTakeover=True)
        assert [(await sent(pair, "x" * size)).rsv for size in (1023, 1024)] == [0, COMPRESSED]
        pair = await compressing(make_pair, serverNoContextTakeover=True, threshold=5)
        assert [(await sent(pair, b"x" * size)).rsv for size in (4, 5)] == [0, COMPRESSED]
        # With context takeover even short messages become shorter, and are compressed.
        pair = await compressing(make_pair, threshold=5)
        assert (await sent(pair, "x")).rsv == COMPRESSED

    async def test_the_first_fragment_decides_for_all(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, serverNoContextTakeover=True, threshold=5)
        for first, rest, rsv in (("long enough", "x", COMPRESSED), ("no", "long enough, but too late", 0)):
            pair.ws.send(first, fin=False)
            pair.ws.send(rest)
            begin, end = await pair.peer.frame(), await pair.peer.frame()
            assert [(each.opcode, each.fin) for each in (begin, end)] == [(TEXT, False), (CONTINUATION, True)]
            assert (begin.rsv, end.rsv) == (rsv, 0)
            payload = begin.payload + end.payload
            assert (inflate(payload) if rsv else payload).decode() == first + rest

    @pytest.mark.parametrize("limit", [1, 10])
    async def test_concurrency_limit(self, make_pair: MakePair, limit: int) -> None:
        """With any limit, long messages arrive whole and in order, in both directions."""
        pair = await compressing(make_pair, "; server_no_context_takeover", concurrencyLimit=limit)
        long = [random.Random(number).randbytes(100_000) for number in range(6)]
        for data in long:
            pair.ws.send(data)
        assert [inflate((await pair.peer.frame()).payload) for _ in long] == long
        for data in long:
            pair.write(BINARY, deflate(data), rsv=COMPRESSED)
        assert [await within(pair.ws.recv()) for _ in long] == long


class TestSending:
    async def test_compress_by_choice(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair)
        assert [(await sent(pair, TEXTS, compress=wish)).rsv for wish in (None, True, False)] == [
            COMPRESSED,
            COMPRESSED,
            0,
        ]
        plain = await make_pair()
        assert (await sent(plain, TEXTS, compress=True)).rsv == 0

    async def test_compressed_plain_and_control_frames_keep_their_order(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, "; server_no_context_takeover", threshold=0)
        long = random.Random(5).randbytes(300_000)
        told: list[str] = []
        pair.ws.send(long, callback=lambda error: told.append("long"))
        pair.ws.send("plain", {"compress": False}, lambda error: told.append("plain"))
        pair.ws.ping(b"ping", callback=lambda error: told.append("ping"))
        pair.ws.send(b"short", compress=True, callback=lambda error: told.append("short"))
        pair.ws.close(4000)
        frames = [await pair.peer.frame() for _ in range(5)]
        assert [frame[::4] for frame in frames] == [
            (BINARY, COMPRESSED),
            (TEXT, 0),
            (PING, 0),
            (BINARY, COMPRESSED),
            (CLOSE, 0),
        ]
        assert inflate(frames[0].payload) == long
        assert inflate(frames[3].payload) == b"short"
        assert told == ["long", "plain", "ping", "short"]

    async def test_received_compressed_and_plain_messages_keep_their_order(self, make_pair: MakePair) -> None:
        pair = await compressing(make_pair, "; client_no_context_takeover", clientNoContextTakeover=True)
        long = random.Random(5).randbytes(300_000)
        seen: list[Any] = []
        done = listen(pair.ws, "pong")
        pair.ws.on("message", gather_into(seen, 0, None))  # type: ignore[arg-type]
        pair.write(BINARY, deflate(long), rsv=COMPRESSED)
        pair.write(TEXT, b"plain")
        pair.write(10, b"pong")
        assert await within(done) == (b"pong",)
        assert seen == [(long, True), (b"plain", False)]
