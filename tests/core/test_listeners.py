"""Any callable is a listener, and a core does nothing with it but call it."""

from __future__ import annotations

from typing import Any

from .conftest import MakeSide
from .harness import frame


class Nosy:
    """A callable that records each attribute that is read from it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise KeyboardInterrupt

    def __call__(self, data: bytes, is_binary: bool) -> None:
        self.heard.append(data)

    def method(self, data: bytes, is_binary: bool) -> None:
        self.heard.append(data)


def test_no_attribute_of_a_listener_is_read(side: MakeSide) -> None:
    server, listener = side(listen=False), Nosy()
    server.connection.message_listener = listener
    server.feed(frame(1, b"a"))
    assert (listener.heard, listener.asked) == ([b"a"], [])


def test_methods_and_closures_of_any_size_are_listeners(side: MakeSide) -> None:
    server, nosy, heard = side(listen=False), Nosy(), list[Any]()
    server.connection.message_listener = nosy.method
    server.feed(frame(1, b"a"))

    def one(data: bytes, is_binary: bool) -> None:
        first.append((second, data, third, is_binary))

    server.connection.message_listener = one
    # The variables that it closes over are assigned only now: their cells were empty, and one is replaced.
    first, second, third = [], 2, 3
    server.feed(frame(1, b"b"))
    first = heard
    server.feed(frame(2, b"c"))
    assert (nosy.heard, nosy.asked) == ([b"a"], [])
    assert heard == [(2, b"c", 3, True)]
