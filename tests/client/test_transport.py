"""Connections that the caller provides: `socket`, `create_connection` and `agent`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import wsrs

from ..conftest import Reports
from ..peers import RawServer, within


class TestConnectionsOfTheCaller:
    async def test_a_socket_of_the_caller(self, raw_server: RawServer, reports: Reports) -> None:
        sock = socket.create_connection(("127.0.0.1", raw_server.port))
        ws = wsrs.WebSocket("ws://some.example/x", socket=sock)
        peer = await raw_server.peer()
        line, fields = await peer.head()
        assert (line, fields["host"]) == ("GET /x HTTP/1.1", "some.example")
        peer.write(raw_server.answer(fields["sec-websocket-key"]))
        await within(ws.wait_open())

    async def test_create_connection_may_give_a_socket_or_a_transport(
        self, echo: Any, reports: Reports
    ) -> None:
        loop, port = asyncio.get_running_loop(), echo.address()["port"]
        seen: list[Any] = []

        def a_socket(options: Any) -> socket.socket:
            seen.append(options)
            return socket.create_connection(("127.0.0.1", port))

        async def a_socket_later(options: Any) -> socket.socket:
            return a_socket(options)

        async def a_transport(options: Any) -> Any:
            return (await loop.create_connection(asyncio.Protocol, "127.0.0.1", port))[0]

        def a_transport_and_its_protocol(options: Any) -> Any:
            return loop.create_connection(asyncio.Protocol, "127.0.0.1", port)

        for function in (a_socket, a_socket_later, a_transport, a_transport_and_its_protocol):
            async with wsrs.WebSocket("ws://some.example:81/x", create_connection=function) as ws:
                await ws.send("hello")
                assert await within(ws.recv()) == "hello"
        assert (seen[0]["host"], seen[0]["port"], seen[0]["path"], seen[0]["secure"]) == (
            "some.example", 81, None, False,
        )  # fmt: skip

    async def test_an_agent_makes_the_connection(self, echo: Any, reports: Reports) -> None:
        class Agent:
            def createConnection(self, options: Any) -> socket.socket:
                return socket.create_connection(("127.0.0.1", echo.address()["port"]))

        async with wsrs.WebSocket("ws://some.example", agent=Agent()) as ws:
            assert ws.ready_state == wsrs.OPEN
        async with wsrs.WebSocket(echo.url, agent=False) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_a_result_that_is_no_connection_is_named(self, reports: Reports) -> None:
        ws = wsrs.WebSocket("ws://some.example", create_connection=lambda options: 5)
        with pytest.raises(
            TypeError, match="the result of create_connection must be a socket or a transport, not int"
        ):
            await within(ws.wait_open())

    async def test_an_exception_of_create_connection_fails_the_handshake(self, reports: Reports) -> None:
        def fail(options: Any) -> None:
            raise PermissionError("not today")

        with pytest.raises(PermissionError, match="not today"):
            await within(wsrs.WebSocket("ws://some.example", create_connection=fail).wait_open())
