"""How a WebSocket opens: the same way after both handshakes, and over a connection from another library.

An `Opening` holds the transport over which a WebSocket opens, and what was agreed on. `open_websocket` makes
a WebSocket from it. A client's WebSocket exists before its handshake, which opens it through its `Pending`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from wsrs._backend.context import run_in
from wsrs._websocket import heartbeat
from wsrs._websocket.state import CONNECTING

if TYPE_CHECKING:
    from wsrs._backend.contract import PerMessageDeflate
    from wsrs._websocket.lifecycle import Lifecycle
    from wsrs.websocket import WebSocket

    class ServerSide(Protocol):
        """What a server shares with all of its WebSockets."""

        @property
        def connection_options(self) -> dict[str, Any]:
            """`connection_options(..., is_server=True)`, made once for all of them."""

        def came(self, ws: Lifecycle) -> None:
            """`ws` is OPEN."""

        def closing(self, ws: Lifecycle) -> None:
            """The close frame of the client of `ws` has come: no message follows."""

        def gone(self, ws: Lifecycle) -> None:
            """`ws` is CLOSED; its `'close'` event follows."""


T = TypeVar("T")

__all__ = [
    "Opening",
    "Pending",
    "connection_options",
    "context_of",
    "keep_alive",
    "make_websocket",
    "open_made",
    "open_websocket",
]

_CONNECTION_OPTIONS = (
    "allow_synchronous_events",
    "auto_pong",
    "high_water_mark",
    "max_buffered_chunks",
    "max_fragments",
    "max_payload",
    "max_pending_auto_pongs",
    "skip_utf8_validation",
)


def connection_options(
    options: dict[str, Any], loop: asyncio.AbstractEventLoop, *, is_server: bool
) -> dict[str, Any]:
    """The keywords of the core's `Connection` that are the same for all connections with `options`."""
    keywords = {name: options[name] for name in _CONNECTION_OPTIONS}
    return {
        **keywords,
        "loop": loop,
        "is_server": is_server,
        "generate_mask": options.get("generate_mask"),
        "refuse_above_mark": options["slow_peer"] != "pause",
        "read_ahead": heartbeat.READ_AHEAD if options["heartbeat"] else 0,
    }


class Opening:
    """A connection whose opening handshake is done, or will be once `answer` is sent."""

    __slots__ = ("answer", "context", "deflate", "head", "options", "protocol", "server", "transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        options: dict[str, Any],
        *,
        head: bytes = b"",
        protocol: str = "",
        deflate: PerMessageDeflate | None = None,
        server: ServerSide | None = None,
        answer: bytes = b"",
    ) -> None:
        self.transport = transport
        self.options = options
        """The options of the WebSocket, checked: those of `WebSocket` or of `WebSocketServer`."""
        self.head = head
        """Bytes that arrived after the handshake."""
        self.protocol = protocol
        """The subprotocol, or ""."""
        self.deflate = deflate
        """The extension that was agreed on, after its `accept`."""
        self.server = server
        """Makes the WebSocket a server's. None makes it a client's."""
        self.answer = answer
        """Bytes that are written before anything else: a server's answer to the handshake."""
        self.context: Context | None = None
        """The connection's own context, from `make_websocket` on."""


def open_websocket(
    class_: type[WebSocket], opening: Opening, announce: Callable[[WebSocket], object] | None = None
) -> WebSocket:
    """Make a WebSocket of `class_`, OPEN over `opening`. It raises what `make_websocket` raises.

    `announce` is called with it after its `'open'` event and before its first message.
    """
    ws = make_websocket(class_, opening)
    open_made(ws, opening, announce)
    return ws


def make_websocket(class_: type[WebSocket], opening: Opening) -> WebSocket:
    """Make a WebSocket of `class_` for `opening`; `open_made` opens it. Nothing is written yet.

    Its context is a copy of the current one, and its constructor runs in that. It raises what the
    constructor raises, and TypeError if that has not passed its arguments on.
    """
    opening.context = copy_context()
    ws = opening.context.run(cast(Any, class_), opening)
    if getattr(ws, "_options", None) is not opening.options:
        if getattr(ws, "_handshake", None) is not None:
            ws.terminate()  # the constructor has made a client, with an address of its own
        raise TypeError(f"the constructor of {class_.__name__} must call super().__init__(*args)")
    return cast("WebSocket", ws)


def open_made(ws: WebSocket, opening: Opening, announce: Callable[[WebSocket], object] | None = None) -> None:
    """Make `ws`, which was made for `opening`, OPEN. See `open_websocket`."""
    run_in(ws._context, ws._open, opening, None if announce is None else partial(announce, ws))


def context_of(ws: object) -> Context | None:
    """The context in which the listeners of `ws` run; None if it is no WebSocket."""
    return getattr(ws, "_context", None)


def keep_alive(ws: Lifecycle, thing: object) -> None:
    """Keep `thing` referenced as long as `ws` lives."""
    ws._keep(thing)


class Pending:
    """A client's WebSocket that is not OPEN yet, as its handshake sees it."""

    __slots__ = ("websocket",)

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket

    @property
    def is_connecting(self) -> bool:
        """True until it opens, fails or is given up."""
        return self.websocket._ready_state == CONNECTING

    @property
    def is_over(self) -> bool:
        """True once it has opened or its failure was reported, which is a tick after it was given up."""
        return self.websocket._handshake is None

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` in the context of the WebSocket."""
        return run_in(self.websocket._context, function, *args)

    def set_url(self, url: str) -> None:
        """The handshake goes to `url`."""
        self.websocket._url = url

    def open(self, opening: Opening) -> None:
        """The handshake is done."""
        self.websocket._open(opening)

    def fail(self, error: BaseException) -> None:
        """The handshake has failed: emit `'error'` and `'close'`."""
        self.websocket._handshake_failed(error)

    def give_up(self, error: BaseException) -> None:
        """The handshake was given up; `'error'` and `'close'` follow in the next tick."""
        self.websocket._give_up(error)

    def hook_raised(self, hook: str, error: BaseException) -> None:
        """Report an exception of the program's code that can no longer fail the handshake."""
        self.websocket._hook_raised(hook, error)
