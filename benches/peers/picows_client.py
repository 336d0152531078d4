"""picows's client, by its core API like the server."""

from __future__ import annotations

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from lockstep import Lockstep, parser, run


class Client(WSListener):
    """Sends the next message when the previous one has come back."""

    def __init__(self, lockstep: Lockstep) -> None:
        super().__init__()
        self.payload = lockstep.payload
        self.echoed = lockstep.echoed

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Send the first message."""
        transport.send(WSMsgType.BINARY, self.payload)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send the next message."""
        self.echoed(frame.get_payload_as_memoryview())
        transport.send(WSMsgType.BINARY, self.payload)


async def main(lockstep: Lockstep) -> None:
    """Open all connections, then measure."""
    opened = [await ws_connect(lambda: Client(lockstep), lockstep.url) for _ in range(lockstep.connections)]
    await lockstep.measure()
    del opened


if __name__ == "__main__":
    arguments = parser(__doc__).parse_args()
    run(main(Lockstep(arguments)), arguments.loop)
