"""The core of wsrs in plain Python, on the standard library and the event loop's transports.

It offers exactly what `wsrs._core` offers: see `wsrs._backend.contract.Backend`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from wsrs._backend.contract import Reactor, SendMethod
from wsrs._pure.broadcast import broadcast
from wsrs._pure.close import is_valid_close_code
from wsrs._pure.connection import Connection
from wsrs._pure.counters import counts
from wsrs._pure.extension import parse_extensions
from wsrs._pure.handshake import accept_key, check_upgrade, new_key
from wsrs._pure.http import is_token, parse_request, parse_response
from wsrs._pure.per_message_deflate import PerMessageDeflate
from wsrs._pure.subprotocol import parse_subprotocols
from wsrs._pure.time_slice import set_time_slice
from wsrs._pure.url import parse_url

__all__ = [
    "NAME",
    "Connection",
    "Messages",
    "PerMessageDeflate",
    "accept_key",
    "broadcast",
    "check_upgrade",
    "counts",
    "is_token",
    "is_valid_close_code",
    "new_key",
    "parse_extensions",
    "parse_request",
    "parse_response",
    "parse_subprotocols",
    "parse_url",
    "reactor",
    "send_method",
    "set_time_slice",
]

NAME = "pure"


def send_method(class_: type, function: SendMethod) -> SendMethod:
    """`function` itself: there is no native method to put in its place."""
    return function


def Messages(ws: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """`ws` itself: there is no native iterator."""
    return ws


def reactor(loop: asyncio.AbstractEventLoop) -> Reactor | None:
    """None: there is no engine here; connections run on the loop's transports."""
    return None
