"""The request of a client's opening handshake, while it is being prepared (RFC 6455 4.1)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from wsrs._active_core import core
from wsrs._net.url import Address
from wsrs.events import EventEmitter
from wsrs.http._messages import check_field, check_line, fields

__all__ = ["ClientRequest", "Fields", "basic", "fill_request", "user_fields"]

Fields = list[tuple[str, str]]
"""Header fields in their order."""

_OWNED = frozenset(
    {
        "connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "upgrade",
    }
)
"""Header fields that the handshake sets itself."""


class ClientRequest(EventEmitter):
    """The request that `finish_request` and listeners of `'redirect'`, `'unexpected-response'` are given.

    Its headers can be changed until `end()`, which lets it be sent. `destroy()` gives the handshake up.
    Event: `'socket'` (transport), once there is a connection to the server.
    """

    __slots__ = ("_destroy", "_end", "_fields", "_unsent", "ended", "host", "method", "path", "socket")

    method: str
    host: str
    path: str
    ended: bool
    """Whether the request may be sent."""
    socket: asyncio.Transport | None
    """The transport that carries the request, once there is one."""

    def __init__(
        self,
        address: Address,
        end: Callable[[], object] | None = None,
        destroy: Callable[[BaseException | None], object] | None = None,
    ) -> None:
        super().__init__()
        self.method = "GET"
        self.host = address.authority
        self.path = address.path
        self.ended = False
        self.socket = None
        self._fields: dict[str, list[tuple[str, str]]] = {}
        self._unsent = b""
        self._end = end
        self._destroy = destroy

    def set_header(self, name: str, value: str | int | list[str]) -> None:
        """Set a header field, replacing those of its name. A list of values sets several."""
        several = value if isinstance(value, list) else [value]
        self._fields[str(name).lower()] = [check_field(name, each) for each in several]

    def get_header(self, name: str) -> str | list[str] | None:
        """Return the value of a header field: a list if it is repeated, None if it is not set."""
        values = [value for _, value in self._fields.get(name.lower(), [])]
        return (values or [None])[0] if len(values) < 2 else values  # type: ignore[list-item]

    def has_header(self, name: str) -> bool:
        """Whether a header field is set."""
        return name.lower() in self._fields

    def remove_header(self, name: str) -> None:
        """Remove the header fields of this name."""
        self._fields.pop(name.lower(), None)

    def get_headers(self) -> list[tuple[str, str]]:
        """All header fields, in order."""
        return [field for same in self._fields.values() for field in same]

    def end(self) -> None:
        """Let the request be sent as it is now. Raises ValueError if its method or path cannot be sent."""
        if not self.ended:
            self._unsent = self.head()
            self.ended = True
            if self._end is not None:
                self._end()

    def destroy(self, error: BaseException | None = None) -> None:
        """Give the handshake up. It fails with `error`."""
        if self._destroy is not None:
            self._destroy(error)

    def _take(self) -> bytes:
        """Return the bytes of an ended request, once; before that and afterwards, nothing."""
        unsent, self._unsent = self._unsent, b""
        return unsent

    def _release(self) -> None:
        """Let go of the handshake: it was redirected, and goes on with another request."""
        self._end = self._destroy = None

    def abort(self) -> None:
        """The same as `destroy()`: Node's older name."""
        self.destroy()

    def head(self) -> bytes:
        """The bytes of the request."""
        check_line("the method", self.method)
        if not core.is_token(self.method):
            raise ValueError(f"the method must be a token, not {self.method!r}")
        check_line("the request target", self.path)
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.get_headers()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    # Node's names.
    setHeader = set_header
    getHeader = get_header
    hasHeader = has_header
    removeHeader = remove_header
    getHeaders = get_headers


def user_fields(options: dict[str, Any]) -> Fields:
    """Return the option `headers`, checked. Raises ValueError for a field that the handshake sets itself."""
    checked = fields(options["headers"])
    for name, _ in checked:
        if name.lower() in _OWNED:
            raise ValueError(f"the header {name!r} is set by the opening handshake itself")
    return checked


def basic(auth: str) -> str:
    """The value of `Authorization` for `user:password` (RFC 7617)."""
    return "Basic " + base64.b64encode(auth.encode()).decode()


def fill_request(
    request: ClientRequest, options: dict[str, Any], user: Fields, auth: str | None, key: str, offer: str
) -> None:
    """Set the header fields. `auth` is `user:password`, `offer` the extension offer, or ""."""
    request.set_header("Host", request.host)
    by_name: dict[str, list[str]] = {}
    spelled = {name.lower(): name for name, _ in user}
    for name, value in user:
        by_name.setdefault(name.lower(), []).append(value)
    for lower, values in by_name.items():
        request.set_header(spelled[lower], values)
    version = options["protocol_version"]
    request.set_header("Sec-WebSocket-Version", version)
    request.set_header("Sec-WebSocket-Key", key)
    request.set_header("Connection", "Upgrade")
    request.set_header("Upgrade", "websocket")
    if offer:
        request.set_header("Sec-WebSocket-Extensions", offer)
    if options["protocols"]:
        request.set_header("Sec-WebSocket-Protocol", ",".join(options["protocols"]))
    if options["origin"]:
        # Version 8 is that of a draft in which the field has another name.
        request.set_header("Origin" if version == 13 else "Sec-WebSocket-Origin", options["origin"])
    if auth is not None and not request.has_header("authorization"):
        request.set_header("Authorization", basic(auth))
