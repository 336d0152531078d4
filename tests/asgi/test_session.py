"""What an application receives and may send, against a real uvicorn server."""

from __future__ import annotations

import asyncio

import pytest
from uvicorn.protocols.utils import ClientDisconnected

import wsrs
from tests.peers import BINARY, TEXT, close_frame, frame, listen, upgrade_request, within

from .apps import ACCEPT, CONNECT, Recorded, echo
from .conftest import Message, Receive, Send, Serve, until


async def test_text_and_binary_messages_go_both_ways(serve_asgi: Serve) -> None:
    running = await serve_asgi(echo)
    async with wsrs.WebSocket(running.url) as ws:
        for data in ("grüß", b"\x00\xff", "", b"", "x" * 100_000):
            ws.send(data)
            assert await within(ws.recv()) == data


async def test_a_send_without_data_sends_nothing(serve_asgi: Serve) -> None:
    running = await serve_asgi(
        Recorded(
            ACCEPT,
            {"type": "websocket.send"},
            {"type": "websocket.send", "bytes": None, "text": None},
            {"type": "websocket.send", "bytes": b"1", "text": None},
        )
    )
    async with wsrs.WebSocket(running.url) as ws:
        assert await within(ws.recv()) == b"1"


async def test_the_clients_close_is_the_disconnect(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT)
    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.send("last")
        ws.close(4001, "done")
    await within(app.ended.wait())
    assert app.received == [
        CONNECT,
        {"type": "websocket.receive", "text": "last"},
        {"type": "websocket.disconnect", "code": 4001, "reason": "done"},
    ]


async def test_a_close_without_a_code_is_1005(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT)
    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.close()
    await within(app.ended.wait())
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1005, "reason": ""}


async def test_a_lost_connection_is_1006(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT)
    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.terminate()
    await within(app.ended.wait())
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


async def test_a_fault_of_the_client_has_its_own_code(serve_asgi: Serve) -> None:
    app = Recorded(ACCEPT)
    running = await serve_asgi(app, ws_max_size=10)
    async with wsrs.WebSocket(running.url) as ws:
        ws.send("x" * 11)
        code, _ = await within(listen(ws, "close"))
        assert code == 1009
    await within(app.ended.wait())
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1009, "reason": ""}


async def test_the_disconnect_is_given_again(serve_asgi: Serve) -> None:
    seen: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        seen.extend([await receive(), await receive(), await receive()])

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.close(1000)
    await running.stop()
    assert seen[1:] == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}] * 2


async def test_messages_before_the_close_are_received_after_it(serve_asgi: Serve) -> None:
    go_on = asyncio.Event()
    seen: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await receive()
        await go_on.wait()
        while not seen or seen[-1]["type"] != "websocket.disconnect":
            seen.append(await receive())

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        for number in range(12):
            ws.send(str(number))
    go_on.set()
    await running.stop()
    assert [each.get("text") for each in seen] == [*map(str, range(12)), None]


async def test_frames_before_the_acceptance_are_received(serve_asgi: Serve) -> None:
    started, go_on, app = asyncio.Event(), asyncio.Event(), Recorded(ACCEPT)

    async def slow(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        await go_on.wait()
        await app(scope, receive, send)

    running = await serve_asgi(slow)
    peer = await running.peer()
    peer.write(upgrade_request())
    await within(started.wait())
    for number in range(3):
        peer.write(frame(TEXT, str(number).encode()))
    peer.write(frame(BINARY, b"x" * 500_000) + close_frame(1000))
    go_on.set()
    first, _ = await peer.head()
    assert first == "HTTP/1.1 101 Switching Protocols"
    await within(app.ended.wait())
    await peer.close()
    assert [each.get("text", each.get("bytes")) for each in app.received[1:-1]] == [
        "0",
        "1",
        "2",
        b"x" * 500_000,
    ]


async def test_a_client_that_floods_before_the_acceptance_is_not_read_on(serve_asgi: Serve) -> None:
    started, go_on, app = asyncio.Event(), asyncio.Event(), Recorded(ACCEPT)

    async def slow(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        await go_on.wait()
        await app(scope, receive, send)

    running = await serve_asgi(slow)
    peer = await running.peer()
    peer.write(upgrade_request())
    await within(started.wait())
    ours = running.protocol()
    transport = ours.transport
    peer.write(frame(BINARY, b"x" * 8_000_000) + close_frame(1000))
    await until(lambda: not transport.is_reading())
    go_on.set()
    await within(app.ended.wait())
    await peer.close()
    assert app.received[1]["bytes"] == b"x" * 8_000_000


# The decision ---------------------------------------------------------------------------------


async def test_the_acceptance_has_the_subprotocol_and_the_headers(serve_asgi: Serve) -> None:
    headers = [(b"X-One", b"1"), (b"x-two", "é".encode("latin-1"))]
    running = await serve_asgi(Recorded({**ACCEPT, "subprotocol": "b", "headers": headers}))
    peer = await running.peer()
    peer.write(upgrade_request(sec_websocket_protocol="a, b"))
    first, fields = await peer.head()
    await peer.close()
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert fields["sec-websocket-protocol"] == "b"
    assert (fields["x-one"], fields["x-two"]) == ("1", "é")
    assert fields["server"] == "uvicorn"
    assert fields["date"]


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"\x00"])
async def test_a_header_that_breaks_out_of_its_line_is_an_error_of_the_application(
    serve_asgi: Serve, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    running = await serve_asgi(Recorded({**ACCEPT, "headers": [(b"x-name", value)]}))
    peer = await running.peer()
    peer.write(upgrade_request())
    first, fields = await peer.head()
    assert first == "HTTP/1.1 500 Internal Server Error"
    assert "x" not in fields
    await peer.close()
    assert "Exception in ASGI application" in caplog.text


async def test_a_close_instead_of_an_acceptance_is_403(serve_asgi: Serve) -> None:
    app = Recorded({"type": "websocket.close"})
    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    first, fields = await peer.head()
    assert first == "HTTP/1.1 403 Forbidden"
    assert fields["connection"] == "close"
    assert await peer.rest() == b""
    await peer.close()
    await within(app.ended.wait())
    assert app.received == [CONNECT, {"type": "websocket.disconnect", "code": 1006}]


async def test_a_client_that_leaves_before_the_decision(serve_asgi: Serve) -> None:
    started, raised = asyncio.Event(), asyncio.Event()
    seen: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        started.set()
        seen.extend([await receive(), await receive()])
        with pytest.raises(ClientDisconnected):
            await send(ACCEPT)
        raised.set()

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    await within(started.wait())
    await peer.close()
    await within(raised.wait())
    assert seen == [CONNECT, {"type": "websocket.disconnect", "code": 1006}]


async def test_an_application_that_waits_in_two_tasks_gets_its_messages(serve_asgi: Serve) -> None:
    ended = asyncio.Event()
    seen: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        reader = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(ACCEPT)
        seen.append(await reader)
        ended.set()

    running = await serve_asgi(app)
    async with wsrs.WebSocket(running.url) as ws:
        ws.send("one")
        await within(ended.wait())
    assert seen == [{"type": "websocket.receive", "text": "one"}]


WRONG: list[tuple[list[Message], str, str]] = [
    ([], "websocket.send", "Expected ASGI message 'websocket.accept', 'websocket.close' or"),
    ([ACCEPT], "websocket.accept", "Expected ASGI message 'websocket.send' or 'websocket.close', but got"),
    ([ACCEPT, {"type": "websocket.close"}], "websocket.send", "after sending 'websocket.close'"),
    ([{"type": "websocket.close"}], "websocket.accept", "after sending 'websocket.close'"),
    (
        [{"type": "websocket.http.response.start", "status": 400}],
        "websocket.accept",
        "Expected ASGI message 'websocket.http.response.body' but got 'websocket.accept'",
    ),
]


@pytest.mark.parametrize(("before", "kind", "text"), WRONG)
async def test_a_message_out_of_turn(serve_asgi: Serve, before: list[Message], kind: str, text: str) -> None:
    raised: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in before:
            await send(message)
        try:
            await send({"type": kind})
        except RuntimeError as error:
            raised.set_result(str(error))

    running = await serve_asgi(app)
    peer = await running.peer()
    peer.write(upgrade_request())
    assert text in await within(raised)
    await peer.close()
