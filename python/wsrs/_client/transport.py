"""From an address to a transport: by a given socket, a function, a proxy or a connection of our own."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from typing import Any

from wsrs._active_core import core
from wsrs._net.client_tls import NameCheck, default_context, explain
from wsrs._net.connect import Where, connect_tcp, connect_unix, is_ip
from wsrs._net.proxy import connect_by_proxy
from wsrs._net.url import Address
from wsrs._options.client import stream_socket

__all__ = ["open_transport"]


async def open_transport(
    address: Address, options: dict[str, Any], context: ssl.SSLContext | None, protocol: asyncio.Protocol
) -> None:
    """Connect `protocol` to the server at `address`. Success is its `connection_made`.

    Raises what connecting raises. `context` is for a secure address; None means the default one.
    """
    loop = asyncio.get_running_loop()
    connected = await _connected(address, options)
    if not isinstance(connected, socket.socket):
        # A transport is used as it is, TLS included, as Node uses a stream of `createConnection`.
        connected.set_protocol(protocol)
        protocol.connection_made(connected)
        return
    try:
        connected.setblocking(False)
        reactor = None if address.secure else core.reactor(loop)
        if reactor is not None:
            reactor.adopt(connected, protocol)
        elif address.secure:
            await _secure(connected, address, options, context or default_context(), protocol)
        elif connected.family in (socket.AF_INET, socket.AF_INET6):
            await loop.create_connection(lambda: protocol, sock=connected)
        else:
            await loop.create_unix_connection(lambda: protocol, sock=connected)
    except BaseException:
        connected.close()
        raise


async def _secure(
    connected: socket.socket,
    address: Address,
    options: dict[str, Any],
    context: ssl.SSLContext,
    protocol: asyncio.Protocol,
) -> None:
    # RFC 6066 3: without the dot that may end a name.
    host = address.host.removesuffix(".") or address.host
    name = options["servername"]
    check = None
    if name == "" and options["ssl"] is None and options["reject_unauthorized"]:
        protocol = check = NameCheck(protocol, host)
    if name is None or is_ip(host):
        # A server is never told an address (RFC 6066 3), though its certificate is checked for it.
        name = name or host
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: protocol, sock=connected, ssl=context, server_hostname=name)
    except ssl.SSLError as error:
        explain(error)
        raise
    if check is not None and check.error is not None:
        raise check.error


async def _connected(address: Address, options: dict[str, Any]) -> Any:
    """Return a connected socket, or a transport that the program gives."""
    create = options["create_connection"] or options["agent"]
    if options["socket"] is not None:
        return options["socket"]
    if create is not None:
        return await _created(create, address, options)
    if address.unix is not None:
        return await connect_unix(address.unix)
    local = None
    if options["local_address"] is not None:
        local = (options["local_address"], options["local_port"])
    if options["proxy"] is not None:
        return await connect_by_proxy(options["proxy"], address.host, address.port, local)
    where = Where(
        address.host,
        address.port,
        options["family"],
        local,
        options["lookup"],
        options["auto_select_family_attempt_timeout"],
    )
    return await connect_tcp(where)


async def _created(create: Any, address: Address, options: dict[str, Any]) -> Any:
    """Call `create_connection`, or that of an agent, which gives a socket or a transport."""
    passed = {
        "host": address.host,
        "port": address.port,
        "path": address.unix,
        "secure": address.secure,
        "servername": address.host if options["servername"] is None else options["servername"],
        **{name: options[name] for name in ("family", "local_address", "local_port", "lookup")},
    }
    result = create(passed)
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, tuple) and len(result) == 2:
        # As `loop.create_connection` gives them.
        result = result[0]
    return stream_socket("WebSocket: the result of create_connection", result)
