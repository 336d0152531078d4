"""Whether the peer of a connection has hung up, asked of the kernel while nothing is read."""

from __future__ import annotations

import asyncio
import os
import socket

__all__ = ["has_hung_up"]


def has_hung_up(transport: asyncio.Transport) -> bool:
    """Whether the peer has reset the connection, or sent FIN with nothing before it that is still to be read.

    Where the system does not say it, the answer is no.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or not hasattr(socket, "MSG_DONTWAIT"):  # Windows has no such flag
        return False
    # Not `sock.dup()`, which would change whether the shared socket blocks.
    with socket.socket(fileno=os.dup(sock.fileno())) as copy:
        try:
            return not copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
