"""The system runs out of memory while a thread compresses, or cannot start a thread. Only the pure core is tested:
in Rust the first ends the process, and the Rust core's threads are not Python's."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from wsrs import _pure as core
from wsrs._pure import deflate, thread_pool

from .harness import Side
from .test_thread_pool import LONG, until_sent


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


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()], ids=repr)
def test_the_loop_compresses_as_long_as_no_thread_can_be_started(
    error: Exception, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No thread of another test may be left.
    monkeypatch.setattr(thread_pool, "_pool", thread_pool._Pool())
    compressed_by: list[str] = []
    deflate_long = deflate.Deflater.deflate_long

    def seen(*arguments: Any) -> bytes:
        compressed_by.append(threading.current_thread().name)
        return deflate_long(*arguments)

    monkeypatch.setattr(deflate.Deflater, "deflate_long", seen)
    extension = core.PerMessageDeflate(is_server=True)
    extension.accept([{}])
    server = Side(core, loop, True, deflate=extension)

    def start(_: threading.Thread) -> None:
        raise error

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        until_sent(server, server.connection.send(LONG))
    until_sent(server, server.connection.send(LONG))
    assert compressed_by == [threading.current_thread().name, "wsrs-deflate"]
