"""Answers by HTTP in place of an acceptance: ASGI's extension `websocket.http.response`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.peers import Peer, upgrade_request, within
from wsrs._asgi.denial import Denial, respond

from .conftest import Message, Receive, Running, Send, Serve, until

START = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-one", b"1")]}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "websocket.http.response.body", "body": data, "more_body": more}


def sending(*messages: Message) -> Any:
    """An application that sends `messages` and returns."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def ask(running: Running) -> tuple[str, dict[str, str], bytes]:
    """The answer to an upgrade request, up to the end of the connection."""
    peer = await running.peer()
    peer.write(upgrade_request())
    first, fields = await peer.head()
    data = await peer.rest()
    await peer.close()
    return first, fields, data


async def test_a_body_in_one_part_has_its_length(serve_asgi: Serve) -> None:
    running = await serve_asgi(sending(START, body(b"go away")))
    first, fields, data = await ask(running)
    assert (first, data) == ("HTTP/1.1 401 Unauthorized", b"go away")
    assert (fields["content-length"], fields["connection"]) == ("7", "close")
    assert (fields["x-one"], fields["server"]) == ("1", "uvicorn")
    assert fields["date"]


async def test_a_body_in_parts_ends_with_the_connection(serve_asgi: Serve) -> None:
    running = await serve_asgi(sending(START, body(b"go ", more=True), body(b"", more=True), body(b"away")))
    first, fields, data = await ask(running)
    assert (first, data) == ("HTTP/1.1 401 Unauthorized", b"go away")
    assert fields["connection"] == "close"
    assert "content-length" not in fields
    assert fields["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("parts", [1, 2])
async def test_the_headers_of_the_application_replace_the_defaults(serve_asgi: Serve, parts: int) -> None:
    headers = [(b"Content-Type", b"text/html"), (b"Server", b"mine"), (b"content-length", b"2")]
    whole = [body(b"ab")] if parts == 1 else [body(b"a", more=True), body(b"b")]
    running = await serve_asgi(sending({**START, "headers": headers}, *whole))
    peer = await running.peer()
    peer.write(upgrade_request())
    answer = (await peer.rest()).lower()
    await peer.close()
    for name, value in ((b"content-type", b"text/html"), (b"server", b"mine"), (b"content-length", b"2")):
        assert answer.count(name + b": ") == 1
        assert name + b": " + value + b"\r\n" in answer
    assert answer.endswith(b"\r\n\r\nab")


@pytest.mark.parametrize(
    ("messages", "expected"), [((START,), b""), ((START, body(b"half", more=True)), b"half")]
)
async def test_an_answer_that_is_left_unfinished_ends(
    serve_asgi: Serve, messages: tuple[Message, ...], expected: bytes
) -> None:
    first, _, data = await ask(await serve_asgi(sending(*messages)))
    assert (first, data) == ("HTTP/1.1 401 Unauthorized", expected)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"status": 101}, "Invalid HTTP status code '101' in response"),
        ({"status": "x"}, "Invalid HTTP status code 'x' in response"),
        ({"headers": [(b"x-one", b"1\r\nx-two: 2")]}, "x-one"),
    ],
)
async def test_an_answer_that_cannot_be_sent_is_an_error_of_the_application(
    serve_asgi: Serve, change: Message, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, fields, _ = await ask(await serve_asgi(sending({**START, **change})))
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert "x-two" not in fields
    assert text in caplog.text


async def test_a_long_body_waits_for_a_client_that_does_not_read(serve_asgi: Serve) -> None:
    sent: list[int] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(200):
            sent.append(number)
            await send(body(b"x" * 100_000, more=True))
        await send(body(b""))

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await peer.head()
    ours = running.protocol()
    await until(lambda: not ours._session._is_writable)
    count = len(sent)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(sent) == count < 200
    assert await peer.rest() == b"x" * 20_000_000
    await peer.close()


async def test_nothing_is_written_to_a_connection_that_ends() -> None:
    transports: asyncio.Queue[asyncio.Transport] = asyncio.Queue()

    class Host(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.put_nowait(transport)  # type: ignore[arg-type]

    server = await asyncio.get_running_loop().create_server(Host, "127.0.0.1", 0)
    peer = Peer(*await asyncio.open_connection(*server.sockets[0].getsockname()))
    transport = await within(transports.get())
    transport.close()
    denial = Denial(transport, 404, [])
    denial.body(b"part", more=True)
    denial.finish()
    respond(transport, 404, [], b"whole")
    assert await peer.rest() == b""
    await peer.close()
    server.close()
