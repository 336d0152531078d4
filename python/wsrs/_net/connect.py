"""Connected stream sockets for a client: RFC 8305 ("happy eyeballs") over `loop.sock_connect`."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import itertools
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["ATTEMPT_DELAY", "Lookup", "Where", "connect_tcp", "connect_unix", "is_ip"]

ATTEMPT_DELAY = 0.25
"""Seconds until the next address is tried beside the earlier ones (RFC 8305 5)."""

_FIRST_PAUSE, _LAST_PAUSE = 0.001, 0.1
"""Seconds between two attempts to get a place in the backlog of a Unix socket. They double."""

Lookup = Callable[..., Any]
"""The option `lookup`, called as in Node: `(hostname, options)`, or `(hostname, options, callback)`."""

_Info = tuple[int, tuple[Any, ...]]


class Where(NamedTuple):
    """The target of a connection, and how to reach it."""

    host: str
    port: int
    family: int = 0
    """AF_INET or AF_INET6; 0 for any."""
    local: tuple[str, int] | None = None
    """The address to bind to."""
    lookup: Lookup | None = None
    """A function that is called instead of `getaddrinfo`."""
    delay: float = ATTEMPT_DELAY


async def connect_unix(path: str) -> socket.socket:
    """Return a non-blocking socket that is connected to a Unix socket.

    Waits as long as its backlog is full.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("unix sockets are not supported by this system")
    pause = _FIRST_PAUSE
    while True:
        sock = await _connect((socket.AF_UNIX, path), None)  # type: ignore[arg-type]
        try:
            sock.getpeername()
        except OSError:
            # Linux refuses to wait for a place (EAGAIN), and asyncio takes that for a beginning.
            sock.close()
        else:
            return sock
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LAST_PAUSE)


async def connect_tcp(where: Where) -> socket.socket:
    """Return a non-blocking socket that is connected to the first address of a host that answers.

    Raises OSError. If several addresses failed in different ways, its message names all of them.
    """
    infos = interleave(await _addresses(where))
    if where.local is not None:
        local = await _numeric(where.local[0], where.local[1], 0)
        infos = [info for info in infos if info[0] == local[0]]
        if not infos:
            raise OSError(f"{where.host!r} has no address of the family of {where.local[0]!r}")
        bind = local[1]
    else:
        bind = None
    if not infos:
        raise OSError(f"the lookup found no address of {where.host!r}")
    if len(infos) == 1:
        return await _connect(infos[0], bind)
    return await _race(infos, bind, where.delay)


async def _addresses(where: Where) -> list[_Info]:
    # As in Node, an IP address is not looked up.
    if where.lookup is None or is_ip(where.host):
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                where.host, where.port, family=where.family, type=socket.SOCK_STREAM
            )
        except UnicodeError as error:
            # Python refuses a name with an empty label, or one of more than 63 characters, without a look-up.
            raise socket.gaierror(socket.EAI_NONAME, f"{where.host!r} is not a host name") from error
        return [(family, address) for family, _, _, _, address in found]
    infos = [await _numeric(text, where.port, 0) for text in await _looked_up(where.lookup, where)]
    return [info for info in infos if where.family in (0, info[0])]


def is_ip(host: str) -> bool:
    """Whether `host` is an IP address, with or without a zone."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _numeric(text: str, port: int, family: int) -> _Info:
    """Return the socket address of an IP address, including its zone."""
    if not is_ip(text):
        raise OSError(f"the lookup gave {text!r}, which is not an IP address")
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    found = await asyncio.get_running_loop().getaddrinfo(
        text, port, family=family, type=socket.SOCK_STREAM, flags=flags
    )
    return found[0][0], found[0][4]


async def _looked_up(lookup: Lookup, where: Where) -> list[str]:
    """Return the addresses that the option `lookup` gives, by its result or by its callback."""
    family = {socket.AF_INET: 4, socket.AF_INET6: 6}.get(where.family, 0)  # type: ignore[call-overload]
    options = {"all": True, "family": family, "hints": 0, "port": where.port}
    if _takes_callback(lookup):
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def callback(error: BaseException | None, addresses: Any = None, family: int = 0) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(addresses)

        result = lookup(where.host, options, callback)
        if inspect.isawaitable(result):
            await result
        result = await answer
    else:
        result = lookup(where.host, options)
        if inspect.isawaitable(result):
            result = await result
    return [
        _address_text(each) for each in ([result] if isinstance(result, (str, Mapping)) else result or ())
    ]


def _takes_callback(lookup: Lookup) -> bool:
    """Whether `lookup` takes three arguments, the last of which is a callback, as in Node."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(lookup).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(each.kind in kinds and each.default is each.empty for each in parameters) >= 3


def _address_text(found: object) -> str:
    """One address of a lookup: a str, or Node's `{"address": ..., "family": ...}`."""
    text = found.get("address") if isinstance(found, Mapping) else found
    if not isinstance(text, str):
        raise TypeError(f"a lookup must give IP addresses as str, not {found!r}")
    return text


def interleave(found: Iterable[_Info]) -> list[_Info]:
    """Order addresses so that their families alternate, beginning with that of the first (RFC 8305 4)."""
    by_family: dict[int, list[_Info]] = {}
    for family, address in dict.fromkeys(found):
        by_family.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*by_family.values())
    return [info for turn in turns for info in turn if info is not None]


async def _connect(info: _Info, bind: tuple[Any, ...] | None) -> socket.socket:
    family, address = info
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family in (socket.AF_INET, socket.AF_INET6):
            # Frames are written whole: holding back the last segment gains nothing.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if bind is not None:
            sock.bind(bind)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(infos: list[_Info], bind: tuple[Any, ...] | None, seconds: float) -> socket.socket:
    """Start an attempt every `seconds`, and when an earlier one fails; the first to connect wins."""
    waiting = list(reversed(infos))
    running: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting:
            running.add(asyncio.ensure_future(_connect(waiting.pop(), bind)))
            delay = seconds if waiting else None
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
