"""picows on uvloop, by its core API, which its README recommends for speed.

The echo is that of its README: the payload is sent from a memoryview, uncopied. picows depends on aiofastnet
and uses it by default. It delivers frames, not messages, and its core API has no permessage-deflate. It has
no broadcast either: with `--broadcast`, a loop over all transports sends every data frame.
"""

from __future__ import annotations

import argparse
import ssl
from typing import ClassVar

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from certificate import context


class Echo(WSListener):
    """Sends every data frame back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Echo `frame`, or answer its close handshake."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Room(WSListener):
    """Sends every data frame to all."""

    transports: ClassVar[set[WSTransport]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Add the connection."""
        self.transports.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Remove the connection."""
        self.transports.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send `frame` to all, or answer its close handshake."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            kind, payload = frame.msg_type, frame.get_payload_as_bytes()
            for each in self.transports:
                each.send(kind, payload)


def listener(request: WSUpgradeRequest) -> WSListener:
    """A listener for each connection."""
    return Echo()


def member(request: WSUpgradeRequest) -> WSListener:
    """A listener for each connection, all in one room."""
    return Room()


async def main(broadcast: bool, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM."""
    each = member if broadcast else listener
    server = await ws_create_server(each, "127.0.0.1", 0, backlog=4096, ssl=tls)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broadcast", action="store_true")
    parser.add_argument("--tls", type=context)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.broadcast, arguments.tls))
