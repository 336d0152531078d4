"""The socket that an engine's transport hands out may be dropped unclosed, as with asyncio's transports."""

from __future__ import annotations

import os
import socket

import pytest

from wsrs._backend.duplicate_socket import DuplicateSocket


def test_a_dropped_duplicate_is_closed_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    ours, other = socket.socketpair()
    with ours, other:
        number = os.dup(ours.fileno())
        duplicate = DuplicateSocket(fileno=number)
        assert duplicate.family == ours.family
        del duplicate
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
        ours.send(b"x")
        assert other.recv(1) == b"x"
    assert not recwarn.list
