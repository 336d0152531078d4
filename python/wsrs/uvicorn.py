"""WebSockets of ASGI applications under uvicorn; the optional extra `wsrs[uvicorn]`.

`uvicorn --ws wsrs.uvicorn:WSProtocol app:app` serves the WebSockets of `app` by wsrs. From Python it is
`uvicorn.run("app:app", ws=WSProtocol)`, or `ws=protocol(slow_peer="drop", …)` with options.

Rules kept here: uvicorn gives us the request's head, and makes us the transport's protocol only after that,
so a connection is accepted in a later tick; uvicorn's sets of connections and tasks, for which its shutdown
waits, are kept as its own protocols keep them; events, errors and log lines are those of its own protocols.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from uvicorn.logging import TRACE_LOG_LEVEL
from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)

from wsrs._active_core import core
from wsrs._aio import tls_before_311
from wsrs._asgi.denial import Fields
from wsrs._asgi.relay import Relay
from wsrs._asgi.session import Message, Session, decoded
from wsrs._net.adopt import move_to_engine
from wsrs._options.checks import integer
from wsrs._options.connection import CONNECTION, deflate_options
from wsrs._options.table import Option, Options, OptionTable
from wsrs._server.negotiation import Extension, accept_lines, check_message, negotiate
from wsrs._websocket.ending import close_timer, stop_receiving
from wsrs._websocket.opening import Opening, connection_options, open_websocket
from wsrs.errors import HeadError, UpgradeRefused
from wsrs.http._messages import check_field
from wsrs.websocket import WebSocket

if TYPE_CHECKING:
    from typing_extensions import Unpack
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from wsrs._typing.options import UvicornOptions
    from wsrs._websocket.lifecycle import Lifecycle

__all__ = ["WSProtocol", "protocol"]

_OPTIONS = OptionTable(
    "wsrs.uvicorn.protocol",
    [
        *CONNECTION,
        Option("max_connections", "maxConnections", integer(0), 0),
        Option("per_message_deflate", "perMessageDeflate", deflate_options),
    ],
)

_CLOSE_TIMEOUT = 10.0
"""Seconds for which uvicorn's own protocols wait for the peer's close frame."""

_MAX_EARLY = 64 * 1024
"""Bytes that are read from a client before the application has accepted it."""


def _settings(given: Options, config: Config) -> dict[str, Any]:
    """The options of a connection: those that the program gave, then those of uvicorn's command line."""
    interval, timeout = config.ws_ping_interval, config.ws_ping_timeout
    of_config: dict[str, Any] = {
        "close_timeout": _CLOSE_TIMEOUT,
        "heartbeat": (interval, timeout or float("inf")) if interval else None,
        "max_payload": config.ws_max_size,
        "per_message_deflate": {} if config.ws_per_message_deflate else None,
    }
    return {**given, **{name: value for name, value in of_config.items() if name not in given.given}}


class _Group:
    """What the WebSockets of one uvicorn server share."""

    def __init__(self, options: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        self.options = options
        self.connection_options = connection_options(options, loop, is_server=True)
        self.size = 0
        """Connections that are open, or wait for the application's decision."""

    def is_full(self) -> bool:
        """Whether there are more than `max_connections`, the one that asks among them."""
        limit: int = self.options["max_connections"]
        return bool(limit) and self.size > limit


class WSProtocol(asyncio.Protocol):
    """uvicorn's protocol class for WebSockets: one connection of an ASGI application."""

    options: ClassVar[Options] = _OPTIONS.resolve(None)
    """The options that `protocol` was given."""
    _groups: ClassVar[WeakKeyDictionary[ServerState, _Group]] = WeakKeyDictionary()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.config = config
        self.loop = _loop or asyncio.get_running_loop()
        self.logger = logging.getLogger("uvicorn.error")
        self.transport: asyncio.Transport
        self._client: tuple[str, int] | None = None
        self._server_state = server_state
        self._app_state = app_state
        group = self._groups.get(server_state)
        if group is None:
            group = self._groups[server_state] = _Group(_settings(self.options, config), self.loop)
        self._group = group
        waits = group.options["slow_peer"] == "pause"
        self._session = Session(self, self.loop, ClientDisconnected, waits=waits)
        self._relay: Relay | None = None
        self._ws: WebSocket | None = None
        self._scope: Message | None = None
        """Until the application has decided."""
        self._key = ""
        self._extension: Extension | None = None
        self._early = b""
        """What came behind the head before the application had decided."""

    # asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self._group.size += 1
        self._client = get_remote_addr(self.transport)
        self._trace("made")

    def connection_lost(self, error: Exception | None) -> None:
        if self._relay is not None:
            self._relay.connection_lost(error)
        else:
            tls_before_311.lost(self.transport)
            self._end()

    def eof_received(self) -> bool | None:
        return None if self._relay is None else self._relay.eof_received()

    def data_received(self, data: bytes) -> None:
        if self._relay is not None:
            self._relay.data_received(data)
        elif not self._key:
            self._begin(data)
        elif self._session.is_undecided:
            self._early += data
            if len(self._early) > _MAX_EARLY:
                self.transport.pause_reading()

    def pause_writing(self) -> None:
        self._session.pause()
        if self._relay is not None:
            self._relay.pause_writing()

    def resume_writing(self) -> None:
        if self._relay is not None:
            self._relay.resume_writing()
        self._session.resume()

    # uvicorn ----------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """The server shuts down: close with 1012, or answer 500 if the application has not decided."""
        self._session.shutdown()

    @property
    def close_timer(self) -> asyncio.TimerHandle | None:
        """The timer that ends a connection whose peer sends no close frame, while that frame is awaited."""
        return None if self._ws is None or self._session.is_gone else close_timer(self._ws)

    # The server's side of a WebSocket (`wsrs._websocket.opening.ServerSide`) ------------------

    @property
    def connection_options(self) -> dict[str, Any]:
        """Shared by all WebSockets of the server."""
        return self._group.connection_options

    def came(self, ws: Lifecycle) -> None:
        """`ws` is OPEN. It was counted when the client had connected."""

    def closing(self, ws: Lifecycle) -> None:
        """The client is closing: the application hears of it before the connection is gone."""
        stop_receiving(ws)

    def gone(self, ws: Lifecycle) -> None:
        """`ws` is CLOSED."""
        self._end()

    def _end(self) -> None:
        """The connection is gone."""
        self._session.lost()
        self._group.size -= 1
        self._server_state.connections.discard(self)
        self._trace("lost")

    def _trace(self, what: str) -> None:
        if self.logger.level <= TRACE_LOG_LEVEL:
            prefix = f"{self._client[0]}:{self._client[1]} - " if self._client else ""
            self.logger.log(TRACE_LOG_LEVEL, "%sWebSocket connection %s", prefix, what)

    # The handshake ----------------------------------------------------------------------------

    def _begin(self, head: bytes) -> None:
        """Check the request, and let the application decide."""
        try:
            method, target, minor, raw = core.parse_request(head, len(head))
            self._key, _ = core.check_upgrade(method, raw)
            check_message(raw, f"1.{minor}")
            offered, self._extension = negotiate(raw, self._group.options["per_message_deflate"])
        except HeadError as error:
            headers = list(error.headers.items()) if isinstance(error, UpgradeRefused) else []
            self._session.answer(error.status, headers, str(error).encode())
            return
        if self._group.is_full():
            self._session.answer(503, [], b"Service Unavailable")
            return
        self._scope = scope = self._make_scope(target, raw, offered)
        task = self.loop.create_task(self._run(scope))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def _make_scope(self, target: str, raw: list[tuple[str, str]], offered: list[str]) -> Message:
        path, _, query = target.partition("?")
        root = self.config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": get_local_addr(self.transport),
            "client": self._client,
            "root_path": root,
            "path": root + unquote(path),
            "raw_path": (root + path).encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in raw],
            "subprotocols": offered,
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }

    async def _run(self, scope: Message) -> None:
        """Run the application for this connection."""
        # A task that starts at once would accept before uvicorn has made us the transport's protocol.
        await asyncio.sleep(0)
        session = self._session
        try:
            result = await self.config.loaded_app(scope, session.receive, session.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
        else:
            if session.is_undecided:
                self.logger.error("ASGI callable returned without completing handshake.")
            elif result is not None:
                self.logger.error("ASGI callable should return None, but returned '%s'.", result)
        session.returned()

    # What the session calls (`wsrs._asgi.session.Host`) ----------------------------------------

    def default_headers(self) -> Fields:
        """uvicorn's `server` and `date`."""
        return decoded(self._server_state.default_headers)

    def decided(self, outcome: str) -> None:
        """The application has decided."""
        scope: Any = self._scope
        self._scope = None
        where = get_path_with_query_string(scope)
        self.logger.info('%s - "WebSocket %s" %s', get_client_addr(scope), where, outcome)

    def accept(self, subprotocol: str, headers: Fields) -> WebSocket:
        """Answer with 101, and return the WebSocket that is open."""
        lines = accept_lines(self._key, subprotocol, self._extension)
        lines += [": ".join(check_field(*field)) for field in self.default_headers() + headers]
        transport = self.transport
        if not hasattr(transport, "set_protocol"):
            transport = self._relay = Relay(transport)
        else:
            # From here on our transport is quiet, and `gone` takes us out of uvicorn's set of connections.
            transport = self.transport = move_to_engine(transport, self.loop)
        if len(self._early) > _MAX_EARLY:
            transport.resume_reading()
        opening = Opening(
            transport,
            self._group.options,
            head=self._early,
            protocol=subprotocol,
            deflate=None if self._extension is None else self._extension[0],
            server=self,
            answer=("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"),
        )
        self._early = b""
        self._ws = open_websocket(WebSocket, opening)
        return self._ws


def protocol(
    options: Mapping[str, Any] | None = None, /, **keywords: Unpack[UvicornOptions]
) -> type[WSProtocol]:
    """Return a class for uvicorn's option `ws`, with options of wsrs.

    They are the options of a connection as `WebSocketServer` has them (`heartbeat`, `slow_peer`,
    `high_water_mark`, `max_payload`, …), `per_message_deflate`, and `max_connections`, beyond which requests
    get 503. One that is not given has the value of uvicorn's option, where there is one: `--ws-max-size` is
    `max_payload`, `--ws-ping-interval` and `--ws-ping-timeout` are `heartbeat`, `--ws-per-message-deflate` is
    `per_message_deflate`. `close_timeout` is 10 s. Raises TypeError and ValueError for bad options.
    """
    resolved = _OPTIONS.resolve(options, keywords)
    return type("WSProtocol", (WSProtocol,), {"options": resolved, "_groups": WeakKeyDictionary()})
