"""The transport of a stream: its information about the socket, its writing, and its limits."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ..conftest import Serve
from ..peers import (
    within,
)
from .conftest import Pair, streams


class TestTransport:
    async def test_the_transport_has_the_extra_info_of_the_socket(self, serve: Serve) -> None:
        client, server = await streams(serve)
        await within(client.websocket.wait_open())
        for stream, other in ((client, server), (server, client)):
            assert stream.get_extra_info("peername") == other.transport.get_extra_info("sockname")
            assert stream.get_extra_info("socket").family == socket.AF_INET
            assert stream.get_extra_info("websocket") is stream.websocket
            assert stream.get_extra_info("no such", 7) == 7
        client.transport.close()
        await within(server.read())
        await within(asyncio.gather(client.wait_closed(), server.wait_closed()))
        assert client.transport.is_closing()

    async def test_the_transport_writes_and_has_limits(self, pair: Pair) -> None:
        stream, peer = pair
        transport = stream.transport
        assert transport.get_write_buffer_limits() == (16_384, 65_536)
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)
        transport.set_write_buffer_limits(high=100)
        assert transport.get_write_buffer_limits() == (25, 100)
        with pytest.raises(ValueError, match=r"high \(1\) must be at least low \(2\)"):
            transport.set_write_buffer_limits(1, 2)
        transport.write(b"1")
        transport.writelines([b"2", b"3"])
        assert transport.can_write_eof()
        transport.write_eof()
        assert [(await peer.frame()).payload for _ in range(3)] == [b"1", b"23", b""]
        assert "WebSocketStream" in repr(stream)
