"""wsrs: the API of npm's `ws` for Python asyncio, on a Rust core.

async with wsrs.WebSocketServer(port=8080) as server: ...
async with wsrs.WebSocket("ws://localhost:8080") as ws: ...

The layout, from the top down; a plain import never points up:

- `server`, `stream`, `websocket`, `http`, `events`, `event_target`, `blob`, `errors`, `typing` are public.
- `aiohttp` serves WebSockets from an aiohttp application, `uvicorn` those of ASGI applications, by `_asgi`.
  They are imported only by those who use them.
- `_server`, `_stream`, `_client`, `_websocket` hold the parts of the classes of those names.
- `_options` reads options in both spellings; `_net` knows addresses, sockets and proxies.
- `_aio` has what asyncio leaves to us: callbacks of the program, tasks that wait.
- `_active_core` chooses the core that runs; `_core` is the one in Rust, `_pure` the same in Python.
- `_backend` states what a core offers. `docs/architecture.md` has the whole picture.
"""

from __future__ import annotations

from wsrs import http
from wsrs._active_core import core
from wsrs._server.broadcast import BroadcastResult
from wsrs._websocket.state import CLOSED, CLOSING, CONNECTING, OPEN
from wsrs._websocket.stats import ServerStats, Traffic, WebSocketStats
from wsrs.blob import Blob
from wsrs.errors import ConnectionClosed, HandshakeError, SlowPeer, WebSocketError
from wsrs.event_target import CloseEvent, ErrorEvent, Event, MessageEvent, OpenEvent
from wsrs.events import EventEmitter
from wsrs.server import WebSocketServer
from wsrs.stream import WebSocketStream, create_websocket_stream
from wsrs.websocket import WebSocket

__all__ = [
    "CLOSED",
    "CLOSING",
    "CONNECTING",
    "OPEN",
    "Blob",
    "BroadcastResult",
    "CloseEvent",
    "ConnectionClosed",
    "ErrorEvent",
    "Event",
    "EventEmitter",
    "HandshakeError",
    "MessageEvent",
    "OpenEvent",
    "Server",
    "ServerStats",
    "SlowPeer",
    "Traffic",
    "WebSocket",
    "WebSocketError",
    "WebSocketServer",
    "WebSocketStats",
    "WebSocketStream",
    "__version__",
    "backend",
    "createWebSocketStream",
    "create_websocket_stream",
    "http",
    "set_time_slice",
]

__version__ = "0.1.0"

Server = WebSocketServer
"""ws's other name of `WebSocketServer`."""

createWebSocketStream = create_websocket_stream
"""ws's name of `create_websocket_stream`."""

# ws's module is its class `WebSocket`, on which the others hang.
WebSocket.Server = WebSocket.WebSocketServer = WebSocketServer
WebSocket.WebSocket = WebSocket
WebSocket.create_websocket_stream = staticmethod(create_websocket_stream)  # type: ignore[method-assign]
WebSocket.createWebSocketStream = WebSocket.create_websocket_stream

backend: str = core.NAME
"""The name of the core that runs."""

set_time_slice = core.set_time_slice
"""`set_time_slice(seconds)` sets for how long wsrs keeps an event loop at a stretch, in the whole process.

Messages that cannot be delivered in that time are delivered in the next iterations, in order and by turns,
so that timers, handshakes and other tasks run in between. The default is 0.005. 0 removes the bound.
"""
