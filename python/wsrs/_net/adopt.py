"""Connections that others have accepted: as a socket, or as a transport of the loop.

Rules kept here: a socket that the program gives is ours from the call on, and closed whatever happens; no
byte is lost or read twice when a connection changes its transport; if it cannot, it keeps the one it has.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from ssl import SSLContext, SSLSocket
from weakref import WeakSet

from wsrs._active_core import core
from wsrs._aio.callbacks import keep
from wsrs._net.listen_tls import Tls, shake_hands

__all__ = ["connect", "move_to_engine", "take", "was_moved"]

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


def take(sock: socket.socket, data: bytes | bytearray | memoryview, ssl: SSLContext | None) -> bytes:
    """Check the arguments of `WebSocketServer.adopt`, and return `data` as bytes.

    TypeError or ValueError if `sock` is no connected stream socket, or `data` no bytes that a server with
    `ssl` can use. A socket is closed then.
    """
    if not isinstance(sock, socket.socket):
        raise TypeError(f"adopt: sock must be a socket, not {type(sock).__name__}")
    try:
        _check_socket(sock)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"adopt: data must be bytes, not {type(data).__name__}")
        if data and ssl is not None:
            raise ValueError(f"adopt: data must be empty with ssl, not {len(data)} bytes, which are no HTTP")
    except BaseException:
        sock.close()
        raise
    return bytes(data)


def _check_socket(sock: socket.socket) -> None:
    if isinstance(sock, SSLSocket):
        raise TypeError("adopt: sock must be a plain socket, not an SSLSocket; the option ssl is for TLS")
    if sock.fileno() < 0:
        raise ValueError(f"adopt: sock is closed: {sock!r}")
    if not _is_plain(sock):
        raise ValueError(f"adopt: sock must be a stream socket, TCP or Unix: {sock!r}")
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) or not _was_connected(sock):
        raise ValueError(f"adopt: sock must be connected: {sock!r}")


def _was_connected(sock: socket.socket) -> bool:
    """False for a socket that never was connected. The peer may have left already, which is no mistake."""
    try:
        sock.getpeername()
    except OSError as error:
        is_unix = sock.family == getattr(socket, "AF_UNIX", None)
        # A TCP connection that was reset has no peer any more, but still a port of its own.
        return error.errno != errno.ENOTCONN or (not is_unix and sock.getsockname()[1] != 0)
    return True


def connect(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: asyncio.Protocol,
    ready: Callable[[], object],
    tls: Tls | None,
) -> None:
    """Serve `sock`, which `take` has checked, by `protocol`. Once it is connected, `ready` is called.

    OSError if the engine refuses the socket, which is closed then.
    """
    try:
        sock.setblocking(False)
        reactor = None if tls else core.reactor(loop)
        if reactor is not None:
            reactor.adopt(sock, protocol)
            loop.call_soon(ready)
            return
    except BaseException:
        sock.close()
        raise
    task = loop.create_task(_connect_by_loop(loop, sock, protocol, tls))
    keep(task)
    task.add_done_callback(partial(_ended, sock, ready))


async def _connect_by_loop(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.Protocol, tls: Tls | None
) -> bool:
    """Return whether it was done; a failure is reported."""
    if tls is None:
        await loop.connect_accepted_socket(lambda: protocol, sock)
        return True
    try:
        peer = sock.getpeername()
    except OSError:  # it has left
        peer = None
    return await shake_hands(loop, sock, lambda: protocol, tls, peer)


def _ended(sock: socket.socket, ready: Callable[[], object], task: asyncio.Task[bool]) -> None:
    if not task.cancelled() and task.result():
        ready()
    else:
        # A task that is cancelled before it has begun closes nothing by itself.
        sock.close()
