"""A thread of the pure core that has no memory left to compress with: in Rust that ends the process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wsrs import _pure as core
from wsrs._pure import deflate

from .harness import Side


def test_a_message_that_cannot_be_compressed_ends_its_connection_and_is_reported(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deflate_long(*_: Any) -> bytes:
        raise MemoryError("no more")

    monkeypatch.setattr(deflate.Deflater, "deflate_long", deflate_long)
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    extension = core.PerMessageDeflate(is_server=True)
    extension.accept([{}])
    server = Side(core, loop, True, deflate=extension)
    told: list[Any] = []
    server.connection.send(bytes(200_000), callback=told.append)
    server.connection.send(b"behind", callback=told.append)
    server.wait()
    assert server.events == [("lost", None)]
    assert server.output == b""
    (report,) = reports
    assert report["message"] == "a long message could not be compressed"
    assert isinstance(report["exception"], MemoryError)
    server.tick()
    assert [type(error).__name__ for error in told] == ["ConnectionClosed"] * 2
