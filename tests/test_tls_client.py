"""A client's TLS: whom it trusts, what it shows, and what is refused."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs

from .conftest import Serve
from .peers import within

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class TestTls:
    @pytest.fixture
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return context

    async def test_both_sides(self, serve: Serve, context: ssl.SSLContext) -> None:
        seen: list[Any] = []

        def verify(info: Any) -> bool:
            seen.append(info.secure)
            return True

        server = await serve(
            lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary)),
            ssl=context,
            verify_client=verify,
        )
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        url = f"wss://localhost:{server.address()['port']}"
        async with wsrs.WebSocket(url, ssl=trusting) as ws:
            for message in ("text", b"x" * 200_000):
                await ws.send(message)
                assert await within(ws.recv()) == message
        assert seen == [True]
        assert ws.url == url + "/"

    async def test_a_certificate_that_nobody_trusts(self, serve: Serve, context: ssl.SSLContext) -> None:
        server = await serve(ssl=context)
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(wsrs.WebSocket(f"wss://localhost:{server.address()['port']}").wait_open())
