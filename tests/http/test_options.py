"""The limits of an HttpServer: at the limit, one over, and off."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs.http import HttpServer

from ..conftest import Reports
from .conftest import ask


class TestLimits:
    async def test_0_switches_the_number_of_fields_off(self, reports: Reports) -> None:
        fields = "".join(f"x{number}:\r\n" for number in range(1000))
        request = f"GET / HTTP/1.0\r\n{fields}\r\n"

        def count(request: Any, response: Any) -> None:
            response.end(str(len(request.headers.raw)))

        async with HttpServer({"maxHeaders": 0}, count).listen(0, "127.0.0.1") as http:
            assert (await ask(http, request))[2] == b"1000"
            too_long = "GET / HTTP/1.0\r\n" + "y:1\r\n" * 4000 + "\r\n"
            assert (await ask(http, too_long))[0].startswith("431")
        async with HttpServer(None, count, max_headers=128).listen(0, "127.0.0.1") as http:
            assert (await ask(http, request))[0].startswith("431")
        unbounded = HttpServer(None, count, max_headers=0, max_header_bytes=0, handshake_timeout=0)
        async with unbounded.listen(0, "127.0.0.1") as http:
            assert (await ask(http, too_long))[2] == b"4000"

    @pytest.mark.parametrize("count", [3, 4])
    async def test_a_request_at_each_limit_is_served_and_one_over_is_refused(
        self, reports: Reports, count: int
    ) -> None:
        listener = lambda request, response: response.end(",".join(request.rawHeaders))  # noqa: E731
        request = "GET / HTTP/1.0\r\n" + "A: b\r\n" * count + "\r\n"
        async with HttpServer(None, listener, max_headers=3).listen(0, "127.0.0.1") as http:
            status, _, body = await ask(http, request)
        expected = ("200 OK", b"A,b,A,b,A,b") if count == 3 else ("431 Request Header Fields Too Large", None)
        assert status == expected[0]
        assert expected[1] is None or body == expected[1]
