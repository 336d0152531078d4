"""Connected stream sockets for a client: RFC 8305 ("happy eyeballs") over `loop.sock_connect`."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable
from typing import Any

__all__ = ["connect_tcp", "connect_unix"]

ATTEMPT_DELAY = 0.25
"""Seconds until the next address is tried beside the earlier ones (RFC 8305 5)."""

_Info = tuple[int, tuple[Any, ...]]


async def connect_unix(path: str) -> socket.socket:
    """A non-blocking socket that is connected to a Unix socket."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("unix sockets are not supported by this system")
    return await _connect((socket.AF_UNIX, path))


async def connect_tcp(host: str, port: int) -> socket.socket:
    """A non-blocking socket that is connected to the first address of `host` that answers.

    Raises OSError; where several addresses failed in different ways, its message has them all.
    """
    found = await lookup(host, port)
    infos = interleave((family, address) for family, _, _, _, address in found)
    if not infos:
        raise OSError(f"getaddrinfo found no address of {host!r}")
    if len(infos) == 1:
        return await _connect(infos[0])
    return await _race(infos)


async def lookup(host: str, port: int) -> list[Any]:
    """What `getaddrinfo` knows about `host`."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def interleave(found: Iterable[_Info]) -> list[_Info]:
    """Addresses with their families taking turns, the family of the first one first (RFC 8305 4)."""
    by_family: dict[int, list[_Info]] = {}
    for family, address in dict.fromkeys(found):
        by_family.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*by_family.values())
    return [info for turn in turns for info in turn if info is not None]


async def _connect(info: tuple[int, Any]) -> socket.socket:
    family, address = info
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family in (socket.AF_INET, socket.AF_INET6):
            # Frames are written whole: nothing is won by holding back the last segment.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(infos: list[_Info]) -> socket.socket:
    """Start an attempt every 250 ms, or once all earlier ones have failed; the first to connect wins."""
    waiting = list(reversed(infos))
    running: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(_connect(waiting.pop())))
            delay = ATTEMPT_DELAY if waiting else None
            while running:
                done, running = await asyncio.wait(
                    running, timeout=delay, return_when=asyncio.FIRST_COMPLETED
                )
                winner = _sort_out(done, errors)
                if winner is not None:
                    return winner
                if waiting:
                    break
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_discard)
    raise _summary(errors)


def _sort_out(done: set[asyncio.Task[socket.socket]], errors: list[OSError]) -> socket.socket | None:
    winner = None
    for task in done:
        error = task.exception()
        if isinstance(error, OSError):
            errors.append(error)
        elif error is not None:
            raise error
        elif winner is None:
            winner = task.result()
        else:
            task.result().close()
    return winner


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _summary(errors: list[OSError]) -> OSError:
    texts = list(dict.fromkeys(str(error) for error in errors))
    if len(texts) == 1 or len({type(error) for error in errors}) == 1:
        return errors[0]
    return OSError("; ".join(texts))
