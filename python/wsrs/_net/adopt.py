"""Connections that others have accepted, as a transport of the loop.

Rules kept here: no byte is lost or read twice when a connection changes its transport; if it cannot, it keeps
the one it has.
"""

from __future__ import annotations

import asyncio
import socket
from weakref import WeakSet

from wsrs._active_core import core

__all__ = ["move_to_engine", "was_moved"]

_MOVABLE = frozenset(
    {
        ("asyncio.selector_events", "_SelectorSocketTransport"),
        ("uvloop.loop", "TCPTransport"),
        ("uvloop.loop", "UnixTransport"),
    }
)
"""The transports, by module and name of their class, whose bytes are those of the socket. Any other, TLS and
subclasses of these included, may transform or keep bytes."""

_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_UNIX", socket.AF_INET)})

_NOBODY = asyncio.Protocol()
"""The protocol of a transport that has lost its connection to the engine, or not yet got its own."""

_moved: WeakSet[asyncio.Transport] = WeakSet()
"""Transports whose connection has another one now."""


def was_moved(transport: asyncio.Transport) -> bool:
    """Whether the connection of `transport` has another transport now."""
    return transport in _moved


def move_to_engine(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> asyncio.Transport:
    """Return a transport of the engine for the same connection, or else `transport` as it was.

    The old transport is then closed, which does not end the connection, and its protocol hears of nothing
    more. What the peer has sent and nobody has read stays in the kernel until the new transport has its
    protocol, which the caller must give it in this tick.
    """
    class_ = type(transport)
    if (class_.__module__, class_.__qualname__) not in _MOVABLE:
        return transport
    if transport.is_closing() or transport.get_write_buffer_size():
        return transport
    try:
        reactor = core.reactor(loop)
        if reactor is None:
            return transport
        # Another descriptor of the connection: the transport will close its own.
        duplicate: socket.socket = transport.get_extra_info("socket").dup()
        with duplicate:  # the engine has closed it; this is for its refusal
            if not _is_plain(duplicate):
                return transport
            moved = reactor.adopt(duplicate, _NOBODY)
    except OSError:  # such as EMFILE
        return transport
    _moved.add(transport)
    # Neither loop calls shutdown(2) on a transport that is closed, which would end the connection itself.
    transport.set_protocol(_NOBODY)
    transport.close()
    return moved


def _is_plain(sock: socket.socket) -> bool:
    return sock.type == socket.SOCK_STREAM and sock.family in _FAMILIES
