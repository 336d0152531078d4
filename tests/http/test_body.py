"""Plain requests to an HttpServer: their bodies, the answers, and the refusals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from wsrs.errors import HeadError
from wsrs.http import Headers, HttpServer
from wsrs.http._body import BodyDecoder

from ..conftest import Reports
from ..peers import connect, within
from .conftest import answer_of, ask

CHUNKED = "Transfer-Encoding: chunked"


@pytest_asyncio.fixture
async def http(reports: Reports) -> AsyncIterator[HttpServer]:
    """A server that sends the body of each request back."""

    async def echo(request: Any, response: Any) -> None:
        response.end(await request.read(100))

    async with HttpServer().on("request", echo).listen(0, "127.0.0.1") as server:
        yield server


def post(fields: str, body: str, version: str = "1.1") -> str:
    return f"POST / HTTP/{version}\r\nHost: x\r\n{fields}\r\n\r\n{body}"


def decode(fields: dict[str, str], data: bytes, cuts: list[int]) -> tuple[bytes, bool]:
    decoder = BodyDecoder(Headers(fields.items()), 1)
    ends = [*cuts, len(data)]
    starts = [0, *cuts]
    found = b"".join(decoder.feed(data[start:end]) for start, end in zip(starts, ends, strict=True))
    return found, decoder.done


class TestDecoder:
    @pytest.mark.parametrize(
        ("fields", "data", "body"),
        [
            ({}, b"", b""),
            ({"Content-Length": "0"}, b"", b""),
            ({"Content-Length": "3"}, b"abc", b"abc"),
            ({"Content-Length": "3, 3"}, b"abcmore", b"abc"),
            ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", b""),
            ({"Transfer-Encoding": "Chunked"}, b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
            (
                {"Transfer-Encoding": "chunked"},
                b'00A ;x="y"\r\n0123456789\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n',
                b"0123456789!",
            ),
        ],
    )
    def test_bodies_whole_byte_by_byte_and_at_random_cuts(
        self, fields: dict[str, str], data: bytes, body: bytes
    ) -> None:
        assert decode(fields, data, []) == (body, True)
        assert decode(fields, data, list(range(1, len(data)))) == (body, True)
        for seed in range(20):
            cuts = sorted(random.Random(seed).choices(range(len(data) + 1), k=3))
            assert decode(fields, data, cuts) == (body, True)

    @pytest.mark.parametrize(
        ("data", "text"),
        [
            (b"x\r\n", "size of a chunk"),
            (b"-1\r\n", "size of a chunk"),
            (b"0x1\r\n", "size of a chunk"),
            (b"\r\n", "size of a chunk"),
            (b"1;a\nb\r\n", "size of a chunk"),
            (b"f" * 16 + b"\r\n", "size of a chunk"),
            (b"1\r\nab\r\n", "longer than its size"),
            (b"1;" + b"x" * 2000, "too long"),
            (b"0\r\n" + b"a: b\r\n" * 2000, "trailers"),
        ],
    )
    def test_bad_chunks_are_refused(self, data: bytes, text: str) -> None:
        for cuts in ([], list(range(1, len(data)))):
            with pytest.raises(HeadError, match=text):
                decode({"Transfer-Encoding": "chunked"}, data, cuts)

    def test_a_server_reads_many_small_chunks_in_linear_time(self) -> None:
        count = 200_000
        data = b"1\r\na\r\n" * count + b"0\r\n\r\n"
        assert decode({"Transfer-Encoding": "chunked"}, data, []) == (b"a" * count, True)


class TestBodies:
    @pytest.mark.parametrize(
        ("request_text", "body"),
        [
            (post("Content-Length: 5", "hello"), b"hello"),
            (post(CHUNKED, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), b"hello"),
            (post("X: no body", ""), b""),
            ("GET / HTTP/1.0\r\n\r\n", b""),
        ],
    )
    async def test_bodies_are_read_whole(self, http: HttpServer, request_text: str, body: bytes) -> None:
        status, fields, answer = await ask(http, request_text)
        assert (status, answer, fields["content-length"]) == ("200 OK", body, str(len(body)))
        assert fields["connection"] == "close"

    async def test_bodies_are_read_in_pieces(self, http: HttpServer) -> None:
        peer = await connect(http)
        for byte in post(CHUNKED, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").encode():
            peer.write(bytes([byte]))
            await peer.writer.drain()
        assert (await answer_of(peer))[2] == b"hello"
        await peer.close()

    async def test_a_request_that_expects_100_continue_gets_it(self, http: HttpServer) -> None:
        peer = await connect(http)
        peer.write(post("Content-Length: 5\r\nExpect: 100-continue", "").encode())
        assert (await peer.head())[0] == "HTTP/1.1 100 Continue"
        peer.write(b"hello")
        assert (await answer_of(peer))[2] == b"hello"
        await peer.close()

    @pytest.mark.parametrize(
        ("request_text", "status"),
        [
            (post("Content-Length: 101", ""), "413 "),
            (post(CHUNKED, "65\r\n" + "x" * 101), "413 "),
            (post(CHUNKED, "z\r\n"), "400 "),
            (post(CHUNKED + "\r\nContent-Length: 5", "0\r\n\r\n"), "400 "),
            (post(CHUNKED, "0\r\n\r\n", version="1.0"), "400 "),
            (post("Content-Length: 5\r\nContent-Length: 6", "hello"), "400 "),
            (post("Content-Length: +5", "hello"), "400 "),
            (post("Content-Length: -1", ""), "400 "),
            (post("Content-Length:", ""), "400 "),
            (post("Content-Length: \xa05", "hello"), "400 "),
            (post("Content-Length: 5\x85", "hello"), "400 "),
            (post("Transfer-Encoding: chunked\x85", "0\r\n\r\n"), "501 "),
            (post("Transfer-Encoding: \xa0chunked", "0\r\n\r\n"), "501 "),
            (post("Transfer-Encoding: gzip, chunked", ""), "501 "),
            (post("Transfer-Encoding: identity", ""), "501 "),
            (post("Expect: tea", ""), "417 "),
        ],
    )
    async def test_bodies_that_cannot_be_read_get_a_status(
        self, http: HttpServer, request_text: str, status: str
    ) -> None:
        assert (await ask(http, request_text))[0].startswith(status)

    async def test_a_second_reader_is_an_error_and_a_later_one_reads_nothing(self, reports: Reports) -> None:
        async def twice(request: Any, response: Any) -> None:
            first = asyncio.ensure_future(request.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="being read already"):
                await request.read()
            going_on.set_result(None)
            response.end(await first + await request.read())

        going_on = asyncio.get_running_loop().create_future()
        async with HttpServer().on("request", twice).listen(0, "127.0.0.1") as http:
            peer = await connect(http)
            peer.write(post("Content-Length: 2", "a").encode())
            await within(going_on)
            peer.write(b"b")
            assert (await answer_of(peer))[2] == b"abab"
            await peer.close()

    async def test_a_body_that_stops_meets_the_deadline(self, reports: Reports) -> None:
        async def read(request: Any, response: Any) -> None:
            response.end(await request.read())

        server = HttpServer(handshake_timeout=0.05).on("request", read)
        async with server.listen(0, "127.0.0.1") as http:
            assert (await ask(http, post("Content-Length: 5", "he")))[0] == "408 Request Timeout"

    async def test_a_client_that_leaves_within_its_body_is_an_error_for_the_reader(
        self, reports: Reports
    ) -> None:
        async def read(request: Any, response: Any) -> None:
            reading.set_result(None)
            try:
                await request.read()
            except ConnectionResetError as error:
                told.set_result(error)
                raise

        reading, told = (asyncio.get_running_loop().create_future() for _ in range(2))
        async with HttpServer().on("request", read).listen(0, "127.0.0.1") as http:
            peer = await connect(http)
            peer.write(post("Content-Length: 5", "he").encode())
            await within(reading)
            await peer.close()
            assert "within the body" in str(await within(told))


async def test_a_client_may_leave_before_its_body_is_read_and_answered(
    reports: Reports,
) -> None:
    came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    async with HttpServer(None, lambda *args: came.set_result(args)) as server:
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        request, response = await within(came)
        request.socket.abort()
        await peer.rest_or_reset()
        with pytest.raises(ConnectionError):
            await within(request.read())
        response.end("to nobody")
        assert response.finished
        await peer.close()
