"""Long compressed messages: the loop goes on while threads work on them, and the order is kept."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import PING, PONG, connect, frame, listen, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
MIB = 1024 * 1024
DEFLATE: dict[str, Any] = {"per_message_deflate": True}


def noise(size: int) -> str:
    """Text that takes some time to compress, to about half its length."""
    return os.urandom(size // 2).hex()


def squeezed(data: bytes) -> bytes:
    """The payload of a compressed frame."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Pair:
    """The two ends of a connection."""

    def __init__(self, client: wsrs.WebSocket, server: wsrs.WebSocket) -> None:
        self.client = client
        self.server = server


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest, serve: Serve) -> Any:
    """Makes a connection: `await pair(**options)`, with the options on both sides. With TLS it runs on the
    loop's transports."""

    async def make(**options: Any) -> Pair:
        given: dict[str, Any] = {**DEFLATE, **options}
        arrived: asyncio.Future[wsrs.WebSocket] = asyncio.get_running_loop().create_future()
        if request.param == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            server = await serve(lambda ws, _: arrived.set_result(ws), ssl=context, **given)
            given["ssl"] = ssl.create_default_context(cafile=str(CERTIFICATE))
            url = f"wss://localhost:{server.address()['port']}/"
        else:
            server = await serve(lambda ws, _: arrived.set_result(ws), **given)
            url = server.url
        client = wsrs.WebSocket(url, **given)
        await within(client.wait_open())
        return Pair(client, await within(arrived))

    return make


async def raw_upgraded(server: Any) -> Any:
    """A peer that speaks bytes, with permessage-deflate agreed."""
    peer = await connect(server)
    peer.write(upgrade_request(sec_websocket_extensions="permessage-deflate"))
    await peer.head()
    return peer


class TestOrder:
    async def test_nothing_overtakes_a_long_message(self, pair: Any) -> None:
        both = await pair()
        seen: list[tuple[str, Any]] = []
        all_there = asyncio.Event()

        def heard(kind: str, data: Any) -> None:
            seen.append((kind, data))
            if len(seen) == len(wanted):
                all_there.set()

        both.server.on("message", lambda data, is_binary: heard("message", data))
        both.server.on("ping", lambda data: heard("ping", data))
        both.server.on("pong", lambda data: heard("pong", data))
        written: list[int] = []
        wanted: list[tuple[str, Any]] = []

        def send(data: str, **options: Any) -> None:
            place = len(wanted)
            wanted.append(("message", data.encode()))
            both.client.send(data, callback=lambda error: written.append(place), **options)

        long = noise(400_000)
        for turn in range(3):
            send(f"short {turn}")
            send(long)
            send(f"behind {turn}")
            send(noise(300_000), compress=False)
            both.client.ping(b"%d" % turn)
            wanted.append(("ping", b"%d" % turn))
            send(noise(150_000))
            send(long)
            both.client.pong(b"%d" % turn)
            wanted.append(("pong", b"%d" % turn))
        await within(all_there.wait())
        assert seen == wanted
        await within(both.client.send("the last"))
        assert written == [place for place, (kind, _) in enumerate(wanted) if kind == "message"]

    async def test_fragments_of_a_long_message_stay_together(self, pair: Any) -> None:
        both = await pair()
        first, second = noise(300_000), noise(300_000)
        both.client.send(first, fin=False)
        both.client.send("and", fin=False)
        both.client.ping(b"between")
        both.client.send(second, fin=True)
        both.client.send("next")
        assert await within(both.server.recv()) == first + "and" + second
        assert await within(both.server.recv()) == "next"

    @pytest.mark.parametrize("takeover", [True, False])
    async def test_the_context_goes_on_from_message_to_message(self, pair: Any, takeover: bool) -> None:
        deflate = {} if takeover else {"server_no_context_takeover": True, "client_no_context_takeover": True}
        both = await pair(per_message_deflate=deflate)
        long = noise(200_000)
        sent = [long, "short " * 10, long[:70_000], "x", long[100_000:], long]
        for data in sent:
            both.client.send(data)
            both.server.send(data)
        for data in sent:
            assert await within(both.server.recv()) == data
            assert await within(both.client.recv()) == data

    async def test_other_connections_go_on(self, serve: Serve) -> None:
        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))

        server = await serve(on_connection, **DEFLATE, max_payload=0)
        async with wsrs.WebSocket(server.url, **DEFLATE) as slow, wsrs.WebSocket(server.url) as quick:
            long = noise(4 * MIB)
            slow.send(long)
            answered = 0
            arrives = asyncio.ensure_future(slow.recv())
            while not arrives.done():
                await quick.send("quick")
                assert await within(quick.recv()) == "quick"
                answered += 1
            assert await arrives == long
            assert answered > 10


class TestSending:
    async def test_waiting_data_counts_as_buffered_until_it_is_written(self, pair: Any) -> None:
        both = await pair()
        long = noise(4 * MIB)
        sent = both.client.send(long)
        both.client.send("short")
        assert both.client.buffered_amount >= len(long) + len("short")
        received = asyncio.ensure_future(both.server.recv())
        await within(sent)
        assert both.client.buffered_amount < len(long)
        assert await within(received) == long
        assert await within(both.server.recv()) == "short"

    async def test_a_cancelled_wait_does_not_take_the_message_back(self, pair: Any) -> None:
        both = await pair()
        long = noise(2 * MIB)

        async def send() -> None:
            await both.client.send(long)

        task = asyncio.ensure_future(send())
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        both.client.send("after")
        assert await within(both.server.recv()) == long
        assert await within(both.server.recv()) == "after"

    async def test_the_data_may_change_after_send(self, pair: Any) -> None:
        both = await pair()
        data = bytearray(noise(MIB).encode())
        kept = bytes(data)
        both.client.send(data)
        data[:] = bytes(len(data))
        assert await within(both.server.recv()) == kept

    async def test_a_broadcast_does_not_overtake(self, serve: Serve) -> None:
        server = await serve(None, **DEFLATE)
        arrived = listen(server, "connection")
        async with wsrs.WebSocket(server.url, **DEFLATE) as client:
            ws = (await within(arrived))[0]
            long = noise(MIB)
            ws.send(long)
            server.broadcast("to all" * 500, slow="send")
            ws.send("last")
            assert await within(client.recv()) == long
            assert await within(client.recv()) == "to all" * 500
            assert await within(client.recv()) == "last"


class TestEnds:
    async def test_close_comes_after_messages_sent_before(self, pair: Any) -> None:
        both = await pair()
        long = noise(2 * MIB)
        both.client.send(long)
        both.client.close(1000, "done")
        assert await within(both.server.recv()) == long
        with pytest.raises(wsrs.ConnectionClosed):
            await within(both.server.recv())
        await within(both.client.wait_closed())
        await within(both.server.wait_closed())

    async def test_the_peer_may_close_while_we_compress(self, pair: Any) -> None:
        both = await pair()
        long = noise(2 * MIB)
        closed = listen(both.client, "close")
        both.server.on("message", lambda *_: None)
        both.client.send(long)
        both.server.close(1001)
        assert (await within(closed))[0] == 1001

    async def test_terminate_drops_a_message_that_is_being_compressed(self, pair: Any) -> None:
        both = await pair()
        told: list[Any] = []
        all_told = asyncio.Event()

        def callback(error: BaseException | None) -> None:
            told.append(error)
            if len(told) == 2:
                all_told.set()

        closed = listen(both.client, "close")
        wait = both.client.send(noise(8 * MIB), callback=callback)
        both.client.send("behind", callback=callback)
        both.client.terminate()
        assert (await within(closed))[0] == 1006
        await within(all_told.wait())
        assert [type(error) for error in told] == [wsrs.ConnectionClosed] * 2
        assert both.client.buffered_amount == 0
        with pytest.raises(wsrs.ConnectionClosed):
            await within(wait)

    async def test_the_peer_may_vanish_while_we_compress(self, pair: Any) -> None:
        both = await pair()
        closed = listen(both.client, "close")
        both.client.on("error", lambda error: None)
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        both.client.send(noise(8 * MIB), callback=told.set_result)
        both.server.terminate()
        assert (await within(closed))[0] == 1006
        await within(told)
        assert both.client.buffered_amount == 0

    @pytest.mark.parametrize("data", ["short", "long" * MIB])
    async def test_the_callback_of_a_send_before_an_unnoticed_loss_gets_an_error(
        self, serve: Serve, data: str
    ) -> None:
        server = await serve(None, **DEFLATE)
        arrived = listen(server, "connection")
        port = server.address()["port"]
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(upgrade_request(sec_websocket_extensions="permessage-deflate"))
            ws = (await within(arrived))[0]
            ws.on("error", lambda error: None)
            closed = listen(ws, "close")
            # The peer has reset the connection, and the loop has not noticed yet.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()
        ws.send("the write of this fails at the end of the tick")
        loop.call_soon(lambda: ws.send(data, callback=told.set_result))
        assert isinstance(await within(told), wsrs.ConnectionClosed)
        await within(closed)

    async def test_terminate_drops_a_message_that_is_being_inflated(self, serve: Serve) -> None:
        heard: list[Any] = []
        closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("ping", lambda data: asyncio.get_running_loop().call_soon(ws.terminate))
            ws.on("message", lambda data, is_binary: heard.append(data))
            ws.on("close", lambda code, reason: closed.set_result(code))

        server = await serve(on_connection, per_message_deflate={"concurrency_limit": 1})
        peer = await raw_upgraded(server)
        peer.write(frame(PING) + frame(2, squeezed(bytes(64 * MIB)), rsv=0x40))
        assert await within(closed) == 1006
        # Jobs run one at a time and in order: when another connection's is done, the dropped one is too.
        closed, other = asyncio.get_running_loop().create_future(), await raw_upgraded(server)
        other.write(frame(2, squeezed(bytes(MIB)), rsv=0x40))
        other.write(frame(PING))
        assert await within(closed) == 1006
        assert [len(data) for data in heard] == [MIB]
        await peer.close()
        await other.close()

    async def test_a_message_that_arrived_whole_is_delivered_although_its_peer_vanishes(
        self, serve: Serve
    ) -> None:
        events: list[Any] = []
        closed = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: events.append(len(data)))
            ws.on("close", lambda code, reason: events.append(code))
            ws.on("close", lambda code, reason: closed.set())

        peer = await raw_upgraded(await serve(on_connection, **DEFLATE))
        peer.write(frame(2, squeezed(bytes(32 * MIB)), rsv=0x40) + frame(1, b"behind"))
        await peer.close()
        await within(closed.wait())
        assert events == [32 * MIB, 6, 1006]


class TestReceiving:
    @pytest.mark.parametrize("over", [0, 1])
    async def test_max_payload_holds_while_a_thread_inflates(
        self, serve: Serve, reports: Reports, over: int
    ) -> None:
        arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: arrived.set_result(len(data)))
            ws.on("error", arrived.set_result)

        server = await serve(on_connection, **DEFLATE, max_payload=3 * MIB)
        peer = await raw_upgraded(server)
        peer.write(frame(2, squeezed(bytes(3 * MIB + over * 200 * MIB)), rsv=0x40))
        result = await within(arrived)
        if over:
            assert result.code == "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
        else:
            assert result == 3 * MIB
        await peer.close()

    @pytest.mark.parametrize(
        ("payload", "code"),
        [
            (squeezed(b"a" * MIB + b"\xff"), "WS_ERR_INVALID_UTF8"),
            (squeezed(b"a" * MIB) + b"\xff\xff\xff\xff", None),
        ],
        ids=["text", "data"],
    )
    async def test_a_fault_late_in_a_long_message_ends_the_connection(
        self, serve: Serve, payload: bytes, code: str | None
    ) -> None:
        arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: arrived.set_result(None))
            ws.on("error", arrived.set_result)

        peer = await raw_upgraded(await serve(on_connection, **DEFLATE))
        peer.write(frame(1, payload, rsv=0x40))
        error = await within(arrived)
        assert isinstance(error, wsrs.WebSocketError)
        assert code is None or error.code == code
        await peer.close()

    async def test_later_messages_wait_for_a_long_one_and_reading_stops(self, serve: Serve) -> None:
        seen: list[tuple[str, int]] = []
        done = asyncio.Event()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: seen.append(("message", len(data))))
            ws.on("ping", lambda data: seen.append(("ping", len(data))))
            ws.on("pong", lambda data: done.set())

        peer = await raw_upgraded(await serve(on_connection, **DEFLATE))
        bomb = frame(2, squeezed(bytes(8 * MIB)), rsv=0x40)
        half = len(bomb) // 2
        peer.write(bomb[:half])
        peer.write(bomb[half:] + frame(PING, b"x") + frame(2, bytes(1000)) * 300 + frame(PONG))
        await within(done.wait())
        assert seen == [("message", 8 * MIB), ("ping", 1), *[("message", 1000)] * 300]
        await peer.close()

    async def test_a_paused_program_gets_a_long_message_when_it_resumes(self, pair: Any) -> None:
        both = await pair()
        long = noise(MIB)
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        both.server.on("message", lambda data, is_binary: heard.set_result(data))
        both.server.on("ping", lambda data: both.server.pause())
        pinged = listen(both.server, "ping")
        both.client.ping()
        both.client.send(long)
        await within(pinged)
        assert not heard.done()
        both.server.resume()
        assert await within(heard) == long.encode()

    @pytest.mark.measures
    async def test_the_loop_goes_on_while_a_long_message_inflates(self, serve: Serve) -> None:
        arrived: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def on_connection(ws: wsrs.WebSocket, request: Any) -> None:
            ws.on("message", lambda data, is_binary: arrived.set_result(len(data)))

        peer = await raw_upgraded(await serve(on_connection, **DEFLATE, max_payload=0))
        payload = squeezed(b"all the same " * (200 * MIB // 13))
        # The clock is the CPU time of all threads of this process. It stands still while other processes
        # run, so a busy machine makes no gap longer.
        began = time.process_time()
        size = len(zlib.decompress(payload + b"\x00\x00\xff\xff\x03\x00", -15))
        alone = time.process_time() - began
        peer.write(frame(2, payload, rsv=0x40))
        gaps: list[float] = []
        last = time.process_time()
        while not arrived.done():
            await asyncio.sleep(0.001)
            now = time.process_time()
            gaps.append(now - last)
            last = now
        assert await arrived == size
        # Only the making of the object is left to the loop; in the pure core that is a copy.
        assert len(gaps) > 10
        assert sorted(gaps)[-2] < alone / 4, (alone, sorted(gaps)[-3:])
        await peer.close()
