"""Accepting TLS connections. asyncio's servers would drop the exception of a TLS handshake that fails.

Rules kept here: a handshake that fails is reported, unless the server was closed; running out of
descriptors costs nobody who waits in the backlog.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

__all__ = ["Tls", "TlsListener", "shake_hands"]

_AT_ONCE = 64
"""Connections that are accepted before the loop goes on."""
_RETRY = 1.0
"""Seconds until accepting goes on after an error."""
_HUNG_UP = "the client ended the connection during its TLS handshake"


class Tls(NamedTuple):
    """How a listening socket speaks TLS."""

    context: ssl.SSLContext
    timeout: float
    """Seconds for a handshake; 0: what asyncio allows, 60."""
    failed: Callable[[Exception, Any], None]
    """Called when a handshake has failed, with the reason and the address of the client."""

    @property
    def options(self) -> dict[str, Any]:
        """The options of the loop's methods."""
        return {"ssl": self.context, "ssl_handshake_timeout": self.timeout or None}


class _Handing(asyncio.Protocol):
    """The protocol of a connection until its TLS handshake has succeeded."""

    def __init__(self, connected: Callable[[Any], None]) -> None:
        self._connected = connected

    def connection_made(self, transport: Any) -> None:
        self._connected(transport)


async def shake_hands(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    factory: Callable[[], asyncio.Protocol],
    tls: Tls,
    peer: Any,
) -> bool:
    """Speak TLS on a connected socket, with a protocol from `factory`. False if the handshake failed.

    A failure is reported, with `peer` as the address of the client.
    """
    try:
        await loop.connect_accepted_socket(factory, sock, **tls.options)
    except Exception as error:
        # Its frames hold what the connection has taken, in a ring that only the collector would free.
        failure = error.with_traceback(None)
    else:
        return True
    if isinstance(failure, ConnectionResetError) and not failure.args:
        # The loops raise it bare if the client has ended the connection in good order.
        failure = ConnectionResetError(errno.ECONNRESET, _HUNG_UP)
    tls.failed(failure, peer)
    return False


class TlsListener:
    """Accepts the connections of one listening socket until `close`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        tls: Tls,
    ) -> None:
        """Raises NotImplementedError on a loop without `add_reader`."""
        self._loop = loop
        self._sock = sock
        self._factory = factory
        self._tls = tls
        self._handshakes: set[asyncio.Task[None] | None] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._resume()

    def _resume(self) -> None:
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = self._sock.accept()
            except (BlockingIOError, ConnectionError):
                # No other waits, or the next one was gone before it could be accepted.
                return
            except OSError as error:
                self._pause(error)
                return
            accepted.setblocking(False)
            self._loop.create_task(self._shake_hands(accepted, peer))

    def _pause(self, error: OSError) -> None:
        """Let those who wait do so: the socket would be readable without end."""
        self._loop.remove_reader(self._sock)
        self._retry = self._loop.call_later(_RETRY, self._resume)
        message = "accepting paused for a second"
        self._loop.call_exception_handler({"message": message, "exception": error, "socket": self._sock})

    async def _shake_hands(self, accepted: socket.socket, peer: Any) -> None:
        if self._is_closed:
            accepted.close()
            return
        task = asyncio.current_task()
        self._handshakes.add(task)

        def connected(transport: Any) -> None:
            # From here on it is the program's, which may close the server before this task goes on.
            self._handshakes.discard(task)
            protocol = self._factory()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)

        try:
            await shake_hands(self._loop, accepted, partial(_Handing, connected), self._tls, peer)
        finally:
            self._handshakes.discard(task)

    def close(self) -> None:
        """Accept nothing more, and end the handshakes that are under way. The socket stays open."""
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._sock)
        for task in self._handshakes:
            assert task is not None
            task.cancel()
