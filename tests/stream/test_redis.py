"""redis.asyncio, written for asyncio's streams, on our streams: through a WebSocket to a real redis-server.

Without redis-server (requirements/system.txt) these tests are skipped or fail, as `presence.absent` decides.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio as redis_client

import wsrs
from wsrs import WebSocket, create_websocket_stream

from ..conftest import Serve
from ..interop.presence import program
from ..peers import listen, within


class Redis:
    """A redis-server on a port of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @classmethod
    async def start(cls, folder: Path) -> Redis:
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
            arguments = [str(each) for name, value in options.items() for each in (f"--{name}", value)]
            process = await asyncio.create_subprocess_exec(
                program("Redis", "redis-server"), *arguments, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            while line := await within(process.stdout.readline(), 30):
                if b"Ready to accept connections" in line:
                    return cls(process, port)
            await process.wait()  # another process took the port first
        raise AssertionError("redis-server does not start")

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


async def copy(reader: Any, writer: Any) -> None:
    """Copy from one end to the other, then pass on the end of the stream."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest_asyncio.fixture
async def redis_server(tmp_path: Path) -> AsyncIterator[Redis]:
    server = await Redis.start(tmp_path)
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def tunnel(serve: Serve, redis_server: Redis) -> AsyncIterator[Any]:
    """A WebSocketServer whose connections are tunnels to the redis-server."""
    tunnels: list[asyncio.Task[Any]] = []

    async def pipe(ws: WebSocket) -> None:
        stream = create_websocket_stream(ws)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", redis_server.port)
        except OSError as error:
            stream.destroy(error)
            return
        await asyncio.gather(copy(stream, writer), copy(reader, stream))
        await asyncio.gather(stream.wait_closed(), writer.wait_closed(), return_exceptions=True)

    server = await serve(lambda ws, request: tunnels.append(asyncio.create_task(pipe(ws))))
    yield server
    for client in server.clients:
        client.terminate()
    await within(asyncio.gather(*tunnels))


@pytest_asyncio.fixture
async def client(tunnel: Any) -> AsyncIterator[Any]:
    """A Redis client whose connections are streams over WebSockets."""

    class TunnelConnection(redis_client.Connection):
        async def _connect(self) -> None:
            ws = WebSocket(tunnel.url)
            await ws.wait_open()
            self._reader = self._writer = create_websocket_stream(ws)  # type: ignore[assignment]

    pool = redis_client.ConnectionPool(connection_class=TunnelConnection, max_connections=20)
    client = redis_client.Redis(connection_pool=pool)
    yield client
    await client.aclose()
    await pool.disconnect()


async def test_values_of_all_sizes(client: Any) -> None:
    assert await within(client.ping()) is True
    for size in (0, 1, 100, 70_000, 5_000_000):
        value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert await within(client.set(f"value {size}", value)) is True
        assert await within(client.get(f"value {size}")) == value


async def test_a_long_pipeline_of_commands_passes(client: Any) -> None:
    async with client.pipeline(transaction=True) as pipeline:
        for number in range(5000):
            pipeline.rpush("list", f"{number}" * 20)
        assert await within(pipeline.execute(), 30) == list(range(1, 5001))
    assert await within(client.lrange("list", 0, -1)) == [b"%d" % number * 20 for number in range(5000)]


async def test_many_tasks_at_once(client: Any) -> None:
    async def count() -> None:
        for _ in range(50):
            await client.incr("counter")

    await within(asyncio.gather(*(count() for _ in range(10))), 30)
    assert await within(client.get("counter")) == b"500"


async def test_published_messages_reach_subscribers(client: Any) -> None:
    async with client.pubsub() as pubsub:
        await within(pubsub.subscribe("news"))
        assert (await within(pubsub.get_message(timeout=5)))["type"] == "subscribe"
        for number in range(100):
            assert await within(client.publish("news", number)) == 1
        for number in range(100):
            message = await within(pubsub.get_message(timeout=5))
            assert (message["type"], message["data"]) == ("message", b"%d" % number)


async def test_a_blocking_pop_may_time_out_or_not(client: Any) -> None:
    assert await within(client.blpop("queue", timeout=0.05)) is None
    waiting = asyncio.ensure_future(client.blpop("queue", timeout=5))
    await within(client.rpush("queue", "job"))
    assert await within(waiting) == (b"queue", b"job")


async def test_errors_of_the_redis_server_are_redis_errors(client: Any) -> None:
    await within(client.set("text", "no number"))
    with pytest.raises(redis_client.ResponseError, match="not an integer"):
        await within(client.incr("text"))


async def test_the_end_of_the_redis_server_is_a_connection_error_for_clients(
    client: Any, redis_server: Redis
) -> None:
    assert await within(client.ping()) is True
    await redis_server.stop()
    with pytest.raises((redis_client.ConnectionError, ConnectionError)):
        await within(client.ping())


async def test_the_end_of_the_tunnel_is_a_connection_error(client: Any, tunnel: Any) -> None:
    assert await within(client.ping()) is True
    (server_side,) = tunnel.clients
    gone = listen(server_side, "close")
    waiting = asyncio.ensure_future(client.blpop("never", timeout=5))
    server_side.terminate()
    await within(gone)
    tunnel.close()
    with pytest.raises((redis_client.ConnectionError, wsrs.WebSocketError, ConnectionError)):
        await within(waiting)
