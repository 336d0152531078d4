"""The option `web_socket`: the class of a server's WebSockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import connect, upgrade_request, within


class Silent(wsrs.WebSocket):
    """Its constructor calls that of no base."""

    def __init__(self, *args: Any) -> None:
        self.mine = args


class Elsewhere(wsrs.WebSocket):
    """Its constructor connects to an address of its own."""

    def __init__(self, *args: Any) -> None:
        super().__init__("ws://127.0.0.1:1/")


class Another(wsrs.WebSocket):
    """Its constructor makes something else."""

    def __new__(cls, *args: Any) -> Any:
        return None


class Raising(wsrs.WebSocket):
    """Its constructor raises."""

    def __init__(self, *args: Any) -> None:
        raise ValueError("must call super().__init__(*args), and did not get so far")


async def later(info: Any) -> bool:
    await asyncio.sleep(0)
    return True


@pytest.mark.parametrize("verify", [None, lambda info: True, later])
@pytest.mark.parametrize("cls", [Silent, Elsewhere, Another, Raising])
async def test_a_constructor_that_does_not_pass_its_arguments_on_is_refused_before_the_101(
    serve: Serve, reports: Reports, transports: str, cls: Any, verify: Any
) -> None:
    server = await serve(web_socket=cls, verify_client=verify)
    connected: list[Any] = []
    server.on("connection", lambda *args: connected.append(args))
    peer = await connect(server)
    peer.write(upgrade_request())
    assert (await within(peer.head()))[0] == "HTTP/1.1 500 Internal Server Error"
    await peer.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert any("must call super().__init__(*args)" in str(each["exception"]) for each in reports)
    reports.clear()
    assert not connected
    assert (server.stats().total, server.stats().refused["error"]) == (0, 1)
