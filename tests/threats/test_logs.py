"""Text from a peer is quoted in errors and logs: it cannot begin a line or control a terminal."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from typing import Any

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import CLOSE, Peer, RawServer, connect, upgrade_request, within
from .conftest import Attack

STEERS = "\r\nINFO forged\x1b[2J\x9b31m\x85\u2028\u202e\x07\x7f"
"""Line ends of several kinds, escape sequences of 7 and of 8 bits, and a change of the text direction."""


def harmless(text: str) -> bool:
    """True if `text` has no character that ends a line or controls a terminal."""
    return not any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in text)


async def test_a_close_reason_is_quoted(attack: Attack) -> None:
    ws, peer, _ = attacked = await attack()
    peer.hang_up(attacked.frame(CLOSE, b"\x0f\xa0" + STEERS.encode()))
    with pytest.raises(wsrs.ConnectionClosed) as raised:
        await within(ws.recv())
    assert raised.value.reason == STEERS
    for text in (str(raised.value), repr(raised.value), repr(ws), repr(ws.stats())):
        assert harmless(text), text


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Every line of the logs, including those of tracebacks."""
    formatter = logging.Formatter("%(message)s")
    return [line for record in caplog.records for line in formatter.format(record).split("\n")]


@pytest.mark.parametrize(
    "field", ["origin", "cookie", "sec-websocket-protocol", "user-agent", "request target"]
)
@pytest.mark.parametrize("steers", [STEERS.replace("\r\n", ""), "\x9b31m\x85", "\x1b]0;x\x07"])
async def test_a_request_on_which_our_hooks_fail_is_quoted(
    serve: Serve, caplog: pytest.LogCaptureFixture, field: str, steers: str
) -> None:
    asyncio.get_running_loop().set_exception_handler(None)
    shown: list[str] = []

    def fails(*args: Any) -> None:
        shown.extend(repr(arg) for arg in args)
        raise LookupError("ours")

    def verify(info: Any) -> bool:
        shown.append(repr(info.req))
        return True

    def refused(error: Exception, transport: asyncio.Transport, request: Any) -> None:
        shown.append(str(error))
        transport.abort()

    server = await serve(fails, verify_client=verify)
    server.on("headers", fails)
    server.on("wsClientError", refused)
    peer = await connect(server)
    text = steers.encode().decode("latin-1")
    if field == "request target":
        peer.write(upgrade_request("/" + text.replace(" ", "")))
    else:
        peer.write(upgrade_request(**{field: text}))  # type: ignore[arg-type]
    await peer.writer.drain()
    peer.writer.write_eof()
    await peer.rest_or_reset()
    for line in [*shown, *logged(caplog)]:
        assert harmless(line), line
    await peer.close()


async def answered(peer: Peer, answer: str) -> None:
    await peer.head()
    peer.hang_up(answer.encode("latin-1"))


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 302 Found\r\nLocation: ws://h/\x1b[31m\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://h/\x9b31m\x85\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://\x9b31m\x85@127.0.0.1:1/\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://\x9b31m\x85/\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://[\x9b31m\x85]/\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://h:\x9b31m/\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://user:pass@word@127.0.0.1:1/@\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws+unix:/\x9b31m\x85:/\r\n\r\n",
        "HTTP/1.1 403 \x9b31m\x85 no\r\n\r\n",
        "HTTP/1.1 403 \x1b[2J no\r\n\r\n",
        "HTTP/1.1 \x1b[2J\r\n\r\n",
        "\x9b31m\x1b[2J\r\nforged\r\n\r\n",
        "HTTP/1.1 101 Fine\r\nUpgrade: \x9b31m\x85\r\n\r\n",
        "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        "Sec-WebSocket-Accept: \x9b31m\r\n\r\n",
    ],
)
async def test_an_answer_that_fails_the_handshake_is_quoted(
    transports: str, raw_server: RawServer, reports: Reports, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    """There is no listener: the error goes to the loop's exception handler, which logs it."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def handler(loop: Any, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        told.set_result(None)

    loop.set_exception_handler(handler)
    ws = wsrs.WebSocket(raw_server.url, follow_redirects=True, lookup=lambda host, options: ["127.0.0.1"])
    await answered(await raw_server.peer(), answer)
    await within(told)
    for line in [repr(ws), *logged(caplog)]:
        assert harmless(line), line
        assert "word@" not in line, "a password does not belong in a log"
