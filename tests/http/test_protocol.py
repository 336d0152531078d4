"""Heads of requests: the ways in which they come over the wire, and which are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ..conftest import Reports, Serve
from ..peers import answer, connect, raw_client, upgrade_request, within


class TestHeads:
    async def test_a_plain_request_gets_426(self, serve: Serve) -> None:
        line, fields, body = await answer(await serve(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (line, body) == ("HTTP/1.1 426 Upgrade Required", "Upgrade Required")
        assert fields["upgrade"] == "websocket"
        assert fields["content-type"] == "text/plain"

    @pytest.mark.parametrize("blank", ["\xa0", "\x85"])
    async def test_only_the_blanks_of_http_are_stripped(self, serve: Serve, blank: str) -> None:
        request = upgrade_request(connection=f"{blank}Upgrade")
        assert (await answer(await serve(), request))[0].endswith("426 Upgrade Required")

    @pytest.mark.parametrize("is_upgrade", [False, True])
    @pytest.mark.parametrize(
        "host",
        ["", "Host:\r\n", "Host: a\r\nhost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: \xe9\r\n"],
    )
    async def test_a_request_without_one_valid_host_gets_400(
        self, serve: Serve, host: str, is_upgrade: bool
    ) -> None:
        request = upgrade_request(without=("host",) if is_upgrade else ("host", "upgrade"))
        line, rest = request.split(b"\r\n", 1)
        first, _, text = await answer(await serve(), line + b"\r\n" + host.encode("latin-1") + rest)
        assert (first, text) == ("HTTP/1.1 400 Bad Request", "Missing or invalid Host header")

    @pytest.mark.parametrize("host", ["a", "[::1]:80", "a_b.example.:8080", "xn--fa-hia.de"])
    async def test_a_request_may_have_any_host(self, serve: Serve, host: str) -> None:
        await (await raw_client(await serve(), host=host)).close()

    async def test_http_1_0_needs_no_host_and_has_no_upgrades(self, serve: Serve) -> None:
        server = await serve()
        plain = b"GET / HTTP/1.0\r\n\r\n"
        assert (await answer(server, plain))[0] == "HTTP/1.1 426 Upgrade Required"
        old = upgrade_request().replace(b"HTTP/1.1", b"HTTP/1.0")
        first, _, text = await answer(server, old)
        assert (first, text) == ("HTTP/1.1 400 Bad Request", "Invalid HTTP version")

    @pytest.mark.parametrize("without", ["upgrade", "connection"])
    async def test_a_request_that_asks_for_no_upgrade_gets_426(self, serve: Serve, without: str) -> None:
        assert (await answer(await serve(), upgrade_request(without=(without,))))[0].endswith(
            "426 Upgrade Required"
        )

    async def test_a_head_may_come_byte_by_byte(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        for byte in upgrade_request(connection="keep-alive, Upgrade"):
            peer.write(bytes([byte]))
            await peer.writer.drain()
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    @pytest.mark.parametrize(
        "junk", [b"GET /\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\nX\r\n\r\n"]
    )
    async def test_bytes_that_are_not_http_get_400(self, serve: Serve, junk: bytes) -> None:
        assert (await answer(await serve(), junk))[0] == "HTTP/1.1 400 Bad Request"

    @pytest.mark.parametrize(
        "junk",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x00",
            b" GET / HTTP/1.1",
            b"\r\n\x80",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"foo\r\n",
            b"foo\n",
            b"GET / HTTP/2.0\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"GET / /x HTTP/1.1\r\nHost: a",
        ],
    )
    async def test_bytes_that_cannot_begin_a_request_get_400_at_once(
        self, serve: Serve, transports: str, junk: bytes
    ) -> None:
        server = await serve(handshake_timeout=0)
        for pieces in ([junk], [junk[at : at + 1] for at in range(len(junk))]):
            peer = await connect(server)
            for piece in pieces:
                peer.write(piece)
                await asyncio.sleep(0)
            assert (await peer.head())[0] == "HTTP/1.1 400 Bad Request"
            await peer.close()

    async def test_a_request_may_follow_empty_lines(self, serve: Serve) -> None:
        peer = await connect(await serve())
        for byte in b"\r\n\r\n"[:2] + upgrade_request():
            peer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    async def test_a_long_target_may_come_in_pieces(self, serve: Serve) -> None:
        peer = await connect(await serve())
        request = upgrade_request("/" + "a" * 5000)
        for at in range(0, len(request), 40):
            peer.write(request[at : at + 40])
            await asyncio.sleep(0)
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        await peer.close()

    async def test_a_head_that_is_too_long_gets_431(self, serve: Serve) -> None:
        server = await serve()
        peer = await connect(server)
        peer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000)
        assert (await peer.head())[0] == "HTTP/1.1 431 Request Header Fields Too Large"
        await peer.close()
        server = await serve(max_header_bytes=200)
        assert (await answer(server, upgrade_request(x="y" * 200)))[0].startswith("HTTP/1.1 431")

    async def test_a_head_with_too_many_fields_gets_431(self, serve: Serve) -> None:
        server = await serve(maxHeaders=10)
        many: dict[str, Any] = {f"x{number}": "1" for number in range(6)}
        assert (await answer(server, upgrade_request(**many)))[0].startswith("HTTP/1.1 431")
        await (await raw_client(server, x1="1")).close()

    async def test_a_slow_head_ends_at_its_deadline(self, serve: Serve) -> None:
        server = await serve(handshake_timeout=0.05)
        slow, silent = await connect(server), await connect(server)
        slow.write(b"GET / HT")
        assert (await slow.head())[0] == "HTTP/1.1 408 Request Timeout"
        assert await silent.at_end()
        ws = await raw_client(server)
        await slow.close()
        await silent.close()
        await ws.close()

    async def test_each_connection_has_its_own_deadline(self, serve: Serve) -> None:
        loop = asyncio.get_running_loop()
        server = await serve(handshake_timeout=0.3)
        ws = await connect(server)
        await asyncio.sleep(0.15)  # half of the first connection's time
        late, began = await connect(server), loop.time()
        ws.write(upgrade_request())
        assert (await ws.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert await late.at_end()
        assert loop.time() - began > 0.25
        await ws.close()
        await late.close()

    async def test_a_client_may_leave_before_its_head_is_complete(self, serve: Serve) -> None:
        server = await serve()
        for cut in (0, 10):
            peer = await connect(server)
            peer.write(upgrade_request()[:cut])
            await peer.close()
        reset = await connect(server)
        reset.write(upgrade_request()[:30])
        reset.reset()
        await (await raw_client(server)).close()

    async def test_a_body_is_never_a_request(self, serve: Serve, reports: Reports) -> None:
        error = asyncio.get_running_loop().create_future()
        server = await serve(lambda ws, request: ws.on("error", error.set_result))
        peer = await connect(server)
        peer.write(upgrade_request() + b"GET /second HTTP/1.1\r\n\r\n")
        assert (await within(error)).code.startswith("WS_ERR")
        assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
        assert b"HTTP" not in await peer.rest()
        await peer.close()
