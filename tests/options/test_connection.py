"""The options of `per_message_deflate`: what they negotiate, and which settings of zlib they change."""

from __future__ import annotations

from typing import Any, cast

import pytest

import wsrs
from wsrs._options.connection import ZLIB_DEFLATE, ZLIB_INFLATE

from ..conftest import Serve
from ..peers import connect, raw_client, upgrade_request, within

README_OF_WS: dict[str, Any] = {
    "zlibDeflateOptions": {"chunkSize": 1024, "memLevel": 7, "level": 3},
    "zlibInflateOptions": {"chunkSize": 10 * 1024},
    "clientNoContextTakeover": True,
    "serverNoContextTakeover": True,
    "serverMaxWindowBits": 10,
    "concurrencyLimit": 10,
    "threshold": 1024,
}
"""The keys that the README of ws shows."""

OFFER = "permessage-deflate; client_max_window_bits"


async def negotiated(server: Any, offer: str) -> str | None:
    """The extensions in the server's answer to an offer."""
    peer = await connect(server)
    peer.write(upgrade_request(sec_websocket_extensions=offer))
    first, fields = await peer.head()
    assert first == "HTTP/1.1 101 Switching Protocols"
    await peer.close()
    return fields.get("sec-websocket-extensions")


class TestPerMessageDeflate:
    async def test_the_options_of_the_ws_readme_are_taken_as_they_are(self, serve: Serve) -> None:
        server = await serve(
            lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary)),
            perMessageDeflate=README_OF_WS,
        )
        async with wsrs.WebSocket(server.url) as ws:
            assert ws.extensions["permessage-deflate"]["server_max_window_bits"] == 10
            await ws.send("compressible " * 1000)
            assert await within(ws.recv()) == "compressible " * 1000

    @pytest.mark.parametrize(
        ("given", "answer"),
        [
            (False, None),
            (True, "permessage-deflate"),
            ({}, "permessage-deflate"),
            ({"server_no_context_takeover": True}, "permessage-deflate; server_no_context_takeover"),
            ({"clientNoContextTakeover": True}, "permessage-deflate; client_no_context_takeover"),
            ({"server_max_window_bits": 9}, "permessage-deflate; server_max_window_bits=9"),
            ({"client_max_window_bits": 11}, "permessage-deflate; client_max_window_bits=11"),
            # As in ws, the negotiated value is used.
            ({"zlib_deflate_options": {"window_bits": 9}}, "permessage-deflate"),
            ({"zlib_inflate_options": {"windowBits": 9}}, "permessage-deflate"),
        ],
    )
    async def test_the_options_decide_what_is_negotiated(
        self, serve: Serve, given: Any, answer: str | None
    ) -> None:
        assert await negotiated(await serve(per_message_deflate=given), OFFER) == answer

    async def test_the_level_is_obeyed(self, serve: Serve) -> None:
        sizes = []
        for level in (0, 9):
            server = await serve(
                lambda ws, request: ws.send("compressible " * 1000),
                per_message_deflate={"zlib_deflate_options": {"level": level}},
            )
            peer = await raw_client(server, sec_websocket_extensions="permessage-deflate")
            message = await peer.frame()
            assert message.rsv == 0x40
            sizes.append(len(message.payload))
            await peer.close()
        assert sizes[0] >= 13_000
        assert sizes[1] < 200

    @pytest.mark.parametrize("table", [ZLIB_DEFLATE, ZLIB_INFLATE])
    @pytest.mark.parametrize(
        ("given", "error", "text"),
        [
            ({"chunkSize": 63}, ValueError, "chunkSize must be at least 64, not 63"),
            ({"chunk_size": "1024"}, TypeError, "chunk_size must be an int, not str"),
            ({"windowBits": 16}, ValueError, "windowBits must be 8 to 15, not 16"),
            ({"level": 10}, ValueError, "level must be -1 to 9, not 10"),
            ({"memLevel": 0}, ValueError, "memLevel must be 1 to 9, not 0"),
            ({"strategy": 5}, ValueError, "strategy must be 0 to 4, not 5"),
            ({"flush": 6}, ValueError, "flush must be 0 to 5, not 6"),
            ({"finishFlush": -1}, ValueError, "finishFlush must be 0 to 5, not -1"),
            ({"maxOutputLength": 0}, ValueError, "maxOutputLength must be at least 1, not 0"),
            ({"info": 1}, TypeError, "info must be a bool, not int"),
            ({"dictionary": b"x"}, ValueError, "dictionary: permessage-deflate has no preset dictionary"),
            ({"chunksize": 1024}, TypeError, "unknown option 'chunksize'.*'chunk_size'"),
            (5, TypeError, "must be a mapping, not int"),
        ],
    )
    async def test_mistakes_in_zlibs_options_are_named(
        self, table: Any, given: Any, error: type[Exception], text: str
    ) -> None:
        name = {"zlib_deflate_options": "zlibDeflateOptions", "zlib_inflate_options": "zlibInflateOptions"}
        for spelling in (table.owner, name[table.owner]):
            with pytest.raises(error, match=text):
                wsrs.WebSocketServer(no_server=True, per_message_deflate=cast(Any, {spelling: given}))

    @pytest.mark.parametrize("name", ["zlib_deflate_options", "zlibInflateOptions"])
    async def test_all_of_nodes_keys_are_known(self, name: str) -> None:
        keys = {
            "chunkSize": 64,
            "windowBits": 15,
            "level": -1,
            "memLevel": 9,
            "strategy": 4,
            "flush": 2,
            "finishFlush": 4,
            "info": False,
            "maxOutputLength": 1 << 20,
        }
        server = wsrs.WebSocketServer(no_server=True, per_message_deflate=cast(Any, {name: keys}))
        kept = {"level": -1, "mem_level": 9, "strategy": 4} if "eflate_" in name else {}
        assert server.options["per_message_deflate"] == {"threshold": 1024, "concurrency_limit": 10, **kept}
