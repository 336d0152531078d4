"""Workarounds for asyncio's TLS before Python 3.11, in which it was written anew (bpo-44011).

- A transport whose peer has ended the connection does not know that it is closed, and warns of that when it
  is collected (gh-90476, bpo-46318).
- `close()` waits for the peer's answer, however long (bpo-29406); while reading is paused it never sees it.
"""

from __future__ import annotations

import asyncio
import sys

__all__ = ["OLD", "end", "is_old_tls", "lost"]

OLD: bool = sys.version_info < (3, 11)
_SHUTDOWN = 30.0
"""Seconds for the peer's answer to the end of TLS, as many as asyncio allows from 3.11 on."""


def is_old_tls(transport: asyncio.BaseTransport) -> bool:
    """Whether this is a transport of that TLS which still has its connection."""
    return (
        OLD
        and transport.get_extra_info("sslcontext") is not None
        and transport.get_extra_info("socket") is not None
    )


def end(transport: asyncio.Transport) -> None:
    """Close a transport once the written data has left, within a bounded time."""
    if is_old_tls(transport):  # pragma: no cover: Python 3.10
        if not transport.is_reading():
            transport.resume_reading()
        asyncio.get_running_loop().call_later(_SHUTDOWN, transport.abort)
    transport.close()


def lost(transport: asyncio.BaseTransport | None) -> None:
    """The connection of `transport` is gone."""
    if OLD and transport is not None and not transport.is_closing():  # pragma: no cover: Python 3.10
        transport.close()
