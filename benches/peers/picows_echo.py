"""picows on uvloop: its core API, as its README recommends where speed matters.

The echo is its README's: the payload is sent from a memoryview, uncopied. picows brings aiofastnet and
uses it by itself. It hands over frames, not messages, and its core API has no permessage-deflate.
"""

from __future__ import annotations

import argparse

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Echo(WSListener):
    """Sends every data frame back."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Echo `frame`, or answer its close handshake."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


def listener(request: WSUpgradeRequest) -> WSListener:
    """One listener a connection."""
    return Echo()


async def main() -> None:
    """Serve until SIGTERM."""
    server = await ws_create_server(listener, "127.0.0.1", 0, backlog=4096)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    uvloop.run(main())
