"""The socket that a transport of the engine shows: `get_extra_info("socket")`."""

from __future__ import annotations

import socket

__all__ = ["DuplicateSocket"]


class DuplicateSocket(socket.socket):
    """A duplicate of a connection's descriptor, for its options and addresses.

    As with asyncio's transports, a program that asks for it need not close it, and gets no ResourceWarning.
    """

    def __del__(self) -> None:
        self.close()
