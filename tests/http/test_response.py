"""Answers that a listener of `'request'` may give, and those that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs.http import Headers, HttpServer, Request, ServerResponse

from ..conftest import Reports
from ..peers import connect
from .conftest import ask


class TestAnswers:
    async def answer(self, listener: Any, request: str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> Any:
        async with HttpServer(None, listener).listen(0, "127.0.0.1") as http:
            return await ask(http, request)

    async def test_head_has_no_body_but_its_length(self, reports: Reports) -> None:
        request = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
        status, fields, body = await self.answer(lambda request, response: response.end("hello"), request)
        assert (status, fields["content-length"], body) == ("200 OK", "5", b"")

    @pytest.mark.parametrize("status", [204, 304])
    async def test_statuses_without_a_body(self, reports: Reports, status: int) -> None:
        def listener(request: Any, response: Any) -> None:
            response.statusCode = status
            assert response.status == response.statusCode == status
            with pytest.raises(ValueError, match="has no body"):
                response.end("x")
            response.end()

        line, fields, body = await self.answer(listener)
        assert (line.startswith(str(status)), body) == (True, b"")
        assert "content-length" not in fields

    async def test_header_fields_that_contradict_the_body_are_refused(self, reports: Reports) -> None:
        def listener(request: Any, response: Any) -> None:
            for name, value, text in [
                ("Content-Length", 3, "not a Content-Length of 3"),
                ("Transfer-Encoding", "chunked", "written whole"),
            ]:
                with pytest.raises(ValueError, match=text):
                    response.write_head(200, {name: value}).end("x")
                response.removeHeader(name.lower())
            with pytest.raises(ValueError, match="a status of 100"):
                response.write_head(100).end()
            response.write_head(200, {"content-length": "1"}).end("x")

        assert (await self.answer(listener))[2] == b"x"

    @pytest.mark.parametrize("how", ["function", "coroutine"])
    async def test_a_listener_that_raises(self, reports: Reports, how: str) -> None:
        def function(request: Any, response: Any) -> None:
            raise KeyError("request")

        async def coroutine(request: Any, response: Any) -> None:
            raise KeyError("request")

        listener = {"function": function, "coroutine": coroutine}[how]
        assert (await self.answer(listener))[0] == "500 Internal Server Error"
        assert isinstance(reports.take()["exception"], KeyError)

    async def test_an_upgrade_without_a_listener_is_a_plain_request(self, reports: Reports) -> None:
        request = "GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        assert (await self.answer(lambda request, response: response.end(request.url), request))[2] == b"/u"


async def test_a_status_without_a_phrase_and_headers_of_another_message(reports: Reports) -> None:
    def answer(request: Request, response: ServerResponse) -> None:
        response.write_head(299, Headers([("X-A", "1")]))
        response.end()

    async with HttpServer(None, answer) as server:
        server.listen(0, "127.0.0.1")
        peer = await connect(server)
        peer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        first, fields = await peer.head()
        assert (first, fields["x-a"]) == ("HTTP/1.1 299 Unknown", "1")
        await peer.close()
