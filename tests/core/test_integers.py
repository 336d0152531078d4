"""Integer arguments out of range: the same ValueError on both cores, and never an OverflowError."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import wsrs
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import within

OUT_OF_RANGE = [-(2**64), -(2**63) - 1, -(2**31), -1, 2**63, 2**64 - 1, 2**64, 2**100]
IN_RANGE = [0, 1, 2**16, 2**31, 2**32, 2**63 - 1]

COUNTS = [
    "max_payload",
    "max_fragments",
    "max_buffered_chunks",
    "max_pending_auto_pongs",
    "high_water_mark",
    "read_ahead",
]


class Owner:
    """An owner that is never called."""


@pytest.mark.parametrize("name", COUNTS)
class TestConnection:
    @pytest.mark.parametrize("value", OUT_OF_RANGE)
    async def test_a_count_out_of_range_is_refused(self, core: Any, name: str, value: int) -> None:
        with _refused(f"{name} must be from 0 to {2**63 - 1}, not {value}"):
            _connection(core, **{name: value})

    @pytest.mark.parametrize("value", IN_RANGE)
    async def test_a_count_in_range_is_accepted(self, core: Any, name: str, value: int) -> None:
        assert _connection(core, **{name: value}).buffered_amount == 0

    @pytest.mark.parametrize("value", ["1", 1.0, None])
    async def test_a_count_of_another_type_is_refused(self, core: Any, name: str, value: object) -> None:
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            _connection(core, **{name: value})


class TestPerMessageDeflate:
    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [
            ("threshold", 0, 2**63 - 1),
            ("concurrency_limit", 0, 2**63 - 1),
            ("level", -1, 9),
            ("mem_level", 1, 9),
            ("strategy", 0, 4),
            ("server_max_window_bits", 8, 15),
            ("client_max_window_bits", 8, 15),
        ],
    )
    def test_a_parameter_out_of_range_is_refused(self, core: Any, name: str, low: int, high: int) -> None:
        for value in (low - 1, high + 1, *OUT_OF_RANGE):
            if low <= value <= high:
                continue
            with _refused(f"{name} must be from {low} to {high}, not {value}"):
                core.PerMessageDeflate(is_server=True, **{name: value})
        for value in (low, high):
            core.PerMessageDeflate(is_server=True, **{name: value})


@pytest.mark.parametrize("value", OUT_OF_RANGE)
class TestFunctions:
    @pytest.mark.parametrize("name", ["parse_request", "parse_response"])
    def test_max_headers_out_of_range_is_refused(self, core: Any, name: str, value: int) -> None:
        head = b"GET / HTTP/1.1\r\n\r\n" if name == "parse_request" else b"HTTP/1.1 200 OK\r\n\r\n"
        assert getattr(core, name)(head, 2**63 - 1)
        with _refused(f"max_headers must be from 0 to {2**63 - 1}, not {value}"):
            getattr(core, name)(head, value)

    def test_a_close_code_out_of_range_is_not_valid(self, core: Any, value: int) -> None:
        assert core.is_valid_close_code(value) is False

    async def test_a_close_frame_with_a_code_out_of_range_is_refused(self, core: Any, value: int) -> None:
        with _refused(f"{value} is not a close code that an endpoint may send"):
            _connection(core).send_close(value, b"")


async def test_more_bytes_than_the_buffer_of_a_transport_has_are_refused(core: Any) -> None:
    for value in (-1, 2**31, 2**63, 2**64):
        connection = _connection(core)
        connection.get_buffer(2**64)
        with pytest.raises(ValueError, match=rf"{value}\b"):
            connection.buffer_updated(value)


VALUES = [-(2**64), -1, 0, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**40]


class TestProgram:
    """Integers that a program passes to the API."""

    @pytest.mark.parametrize("code", [value for value in VALUES if not 1000 <= value <= 4999])
    async def test_close_refuses_a_code_out_of_range(self, echo: Any, transports: str, code: int) -> None:
        async with wsrs.WebSocket(echo.url) as ws:
            (served,) = echo.clients
            for end in (ws, served):
                with _refused(f"{code} is not a close code that an endpoint may send"):
                    end.close(code)
                assert end.ready_state == wsrs.OPEN
            ws.send("still open")
            assert await within(ws.recv()) == "still open"

    @pytest.mark.parametrize(
        "name",
        [
            "backlog",
            "max_buffered_chunks",
            "max_connections",
            "max_fragments",
            "max_header_bytes",
            "max_headers",
            "max_payload",
            "max_pending_auto_pongs",
            "high_water_mark",
        ],
    )
    async def test_an_option_of_a_server_works_or_is_refused(self, serve: Serve, name: str) -> None:
        for value in VALUES:
            if value < (name == "high_water_mark") or value > 2**63 - 1:
                keywords: Any = {name: value}
                with pytest.raises(ValueError, match=rf"{name} must be at (least|most) \d+, not {value}"):
                    wsrs.WebSocketServer(port=0, **keywords)
            elif value > 0 or name not in ("max_headers", "max_header_bytes"):
                server = await serve(**{name: value})
                async with wsrs.WebSocket(server.url) as ws:
                    assert ws.ready_state == wsrs.OPEN

    @pytest.mark.parametrize("name", ["handshake_timeout", "close_timeout", "heartbeat"])
    async def test_a_time_works_or_is_refused(self, echo: Any, name: str) -> None:
        for value in (2**31, 2**63, 2**64):
            keywords: Any = {name: value}
            async with wsrs.WebSocket(echo.url, **keywords) as ws:
                ws.send("sent")
                assert await within(ws.recv()) == "sent"
        for value in (-1, 10**400):
            keywords = {name: value}
            with pytest.raises(ValueError, match=f"{name} must be finite and not negative"):
                wsrs.WebSocket(echo.url, **keywords)

    @pytest.mark.parametrize("value", [-1, 2**16, 2**31, 2**63, 2**64])
    async def test_a_port_out_of_range_is_refused(self, reports: Reports, value: int) -> None:
        refused: list[Callable[[], object]] = [
            lambda: wsrs.WebSocketServer(port=value),
            lambda: HttpServer().listen(value),
            lambda: wsrs.WebSocket("ws://h", local_address="127.0.0.1", local_port=value),
        ]
        for each in refused:
            with pytest.raises(ValueError, match=f"port must be 0 to 65535, not {value}"):
                each()


def _connection(core: Any, **keywords: Any) -> Any:
    return core.Connection(loop=asyncio.get_running_loop(), owner=Owner(), is_server=True, **keywords)


@contextmanager
def _refused(text: str) -> Iterator[None]:
    """Expect a ValueError of exactly this text. The Rust core may add a note, which `match` would see."""
    with pytest.raises(ValueError, match=r".") as caught:
        yield
    assert type(caught.value) is ValueError
    assert str(caught.value) == text
