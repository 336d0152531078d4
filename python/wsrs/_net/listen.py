"""Listening sockets: made and bound here, then served by the engine or by the loop.

Sockets are bound at once if no name has to be resolved, so that the address is known, and an error raised,
as early as possible. A host name is resolved in the loop's executor.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from wsrs._active_core import core
from wsrs._net.listen_tls import Tls, TlsListener

__all__ = ["Place", "Serving", "adopt", "bind_tcp", "bind_unix", "describe", "needs_resolving", "resolve"]

_Info = tuple[socket.AddressFamily, tuple[Any, ...]]
_ATTEMPTS = 8
_MOST = 2**31 - 1
"""The largest backlog that a system call takes. The system has a smaller limit of its own."""
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address that this machine does not have, such as ::1 in a container without IPv6."""


class Place(NamedTuple):
    """Where a server listens: a port and host, a Unix socket's path, or an existing socket."""

    port: int | None = None
    host: str | None = None
    unix: str | None = None
    unix_mode: int | None = None
    sock: socket.socket | None = None
    backlog: int = 511
    reuse_port: bool = False


def needs_resolving(host: str | None) -> bool:
    """Whether `host` is a name, and neither an address nor None."""
    return host is not None and host != "" and _literal(host, 0) is None


def _literal(host: str, port: int) -> _Info | None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return found[0][0], found[0][4]


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[_Info]:
    """Return every address of a host name to bind to."""
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    infos = dict.fromkeys((family, address) for family, _, _, _, address in found)
    return [(socket.AddressFamily(family), address) for family, address in infos]


def bind_tcp(place: Place, infos: Sequence[_Info] | None = None) -> list[socket.socket]:
    """Return listening sockets for `place`: on the resolved `infos`, its address, or on every address.

    As in Node, every address means one socket of both families if the system has IPv6, and so does "::".
    Of several addresses, those that the machine does not have are passed over.
    Raises OSError with the address in its message.
    """
    port = place.port or 0
    if infos is None and place.host:
        infos = [info for info in [_literal(place.host, port)] if info]
    if infos is not None:
        return _bind_same_port(place, infos, port)
    if socket.has_dualstack_ipv6():
        try:
            return _bind_all(place, [(socket.AF_INET6, ("::", port, 0, 0))])
        except OSError as error:
            # As Node does: a system may know IPv6, and still have no address of it.
            if error.errno not in _NOT_HERE:
                raise
    return _bind_all(place, [(socket.AF_INET, ("0.0.0.0", port))])


def _bind_same_port(place: Place, infos: Sequence[_Info], port: int) -> list[socket.socket]:
    attempts = 0
    while True:
        try:
            return _bind_all(place, infos)
        except OSError as error:
            # Port 0 with several addresses: the port that the first one got may be taken on another.
            again = error.errno == errno.EADDRINUSE and port == 0 and len(infos) > 1
            attempts += 1
            if not again or attempts == _ATTEMPTS:
                raise


def _bind_all(place: Place, infos: Sequence[_Info]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: list[OSError] = []
    try:
        for family, wanted in infos:
            address = wanted
            if sockets and not place.port:
                address = (wanted[0], sockets[0].getsockname()[1], *wanted[2:])
            try:
                sockets.append(_bind_one(place, family, address, alone=len(infos) == 1))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing.append(error)
        if missing and not sockets:
            raise OSError(missing[0].errno, "; ".join(str(error.strerror) for error in missing))
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(
    place: Place, family: socket.AddressFamily, address: tuple[Any, ...], *, alone: bool
) -> socket.socket:
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # pragma: no branch: Windows
            # Not on Windows, where it would let two servers share a port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.reuse_port:
            if not hasattr(socket, "SO_REUSEPORT"):
                raise ValueError("reuse_port is not supported by this system")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Beside a socket for 0.0.0.0, one of both families could not be bound.
            both = alone and address[0] == "::" and socket.has_dualstack_ipv6()
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        sock.bind(address)
        return _listen(sock, place.backlog)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise OSError(
            error.errno, f"cannot listen on {address[0]} port {address[1]}: {error.strerror}"
        ) from None
    except BaseException:
        if sock is not None:  # pragma: no branch: an interruption of socket() itself
            sock.close()
        raise


def bind_unix(place: Place) -> list[socket.socket]:
    """Return a listening Unix socket. A socket that an earlier server left at its path is removed."""
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("unix sockets are not supported by this system")
    path = str(place.unix)
    if path.startswith("\0"):
        if place.unix_mode is not None:
            raise ValueError(f"unix_mode: the abstract name {path!r} has no file")
    else:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.remove(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        if place.unix_mode is not None:
            # Nobody can connect before `listen`, so the permissions hold from the first connection on.
            os.chmod(path, place.unix_mode)
        return [_listen(sock, place.backlog)]
    except OSError as error:
        if (own := _own_path(sock)) is not None:
            _remove(*own)
        sock.close()
        raise OSError(error.errno, f"cannot listen on {path!r}: {error.strerror or error}") from None


def adopt(place: Place) -> list[socket.socket]:
    """Return the socket that the program has bound. If it listens already, it gets our backlog."""
    sock = place.sock
    assert sock is not None
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"sock must be a stream socket: {sock!r}")
    return [_listen(sock, place.backlog)]


def _listen(sock: socket.socket, backlog: int) -> socket.socket:
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        # Frames are written whole: holding back the last segment gains nothing. Connections inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.listen(min(backlog, _MOST))
    return sock


def describe(sock: socket.socket) -> dict[str, Any] | str:
    """Return a bound address as ws gives it: a dict, or the path of a Unix socket."""
    name = sock.getsockname()
    if not isinstance(name, tuple):
        return os.fsdecode(name)
    family = "IPv6" if sock.family == socket.AF_INET6 else "IPv4"
    return {"address": name[0], "family": family, "port": name[1]}


class Serving:
    """Listening sockets that are being served, until `close`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sockets: list[socket.socket], *, handed_over: bool = False
    ) -> None:
        """`handed_over`: the program has bound the socket, so the file of a Unix socket is not ours."""
        self._loop = loop
        self.sockets = sockets
        self._closers: list[Callable[[], object]] = []
        self._path = None if handed_over else _own_path(sockets[0])

    async def start(
        self, factory: Callable[[], asyncio.Protocol], tls: Tls | None = None, backlog: int = 511
    ) -> None:
        """Accept connections, each with a protocol of its own from `factory`, plain or with `tls`."""
        for sock in self.sockets:
            self._closers.append(await self._serve(sock, factory, tls))
            # The loop has set a backlog of its own, which is also how many connections it accepts at once.
            # Ours is set afterwards and not passed to the loop, which would accept none with 0.
            sock.listen(min(backlog, _MOST))

    async def _serve(
        self, sock: socket.socket, factory: Callable[[], asyncio.Protocol], tls: Tls | None
    ) -> Callable[[], object]:
        """Accept the connections of `sock`. Returns what ends that."""
        if tls is None:
            reactor = core.reactor(self._loop)
            if reactor is not None:
                closing: Callable[[], object] = reactor.listen(sock, factory).close
                return closing
        else:
            with suppress(NotImplementedError):
                return TlsListener(self._loop, sock, factory, tls).close
        # Without the engine, or with TLS on a loop that watches no sockets, as on Windows.
        options = {} if tls is None else tls.options
        if sock.family != getattr(socket, "AF_UNIX", None):
            return (await self._loop.create_server(factory, sock=sock, **options)).close
        create = self._loop.create_unix_server
        if "cleanup_socket" in inspect.signature(create).parameters:
            # By default it removes the file even of a socket that it has not bound.
            options["cleanup_socket"] = False
        return (await create(factory, sock=sock, **options)).close

    def close(self) -> None:
        """Stop accepting and close the sockets."""
        if self._path is not None:
            _remove(*self._path)
            self._path = None
        for close in self._closers:
            close()
        self._closers.clear()
        for sock in self.sockets:
            sock.close()


def _own_path(sock: socket.socket) -> tuple[str, tuple[int, int]] | None:
    """The file of a Unix socket and its identity, so that only this file is removed at the end."""
    if sock.family != getattr(socket, "AF_UNIX", None):
        return None
    path = os.fsdecode(sock.getsockname())
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return path, (found.st_dev, found.st_ino)


def _remove(path: str, identity: tuple[int, int]) -> None:
    """Remove the file of a Unix socket, unless another file has taken its place."""
    with suppress(OSError):
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == identity:
            os.remove(path)
