"""HTTP messages (RFC 7230): header fields, a request, a response, and how an answer is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from wsrs._active_core import core

if TYPE_CHECKING:
    from wsrs.http._body import RequestBody

__all__ = [
    "CONTINUE",
    "Headers",
    "HeadersLike",
    "Request",
    "Response",
    "check_field",
    "format_answer",
    "has_valid_host",
    "list_of",
    "path_of",
    "phrase",
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim answer to `Expect: 100-continue` (RFC 9110 10.1.1)."""

HeadersLike = Mapping[str, object] | Iterable[tuple[str, object]]
"""Header fields as a caller gives them: a mapping (a value may be a list of values) or pairs."""


class Headers(Mapping[str, str]):
    """Header fields: a case-insensitive mapping that keeps repeated fields.

    `headers[name]` joins the values of a repeated field as RFC 7230 3.2.2 allows (`cookie` by "; ");
    `get_all(name)` gives them one by one, `raw` all fields as they were on the wire.
    """

    __slots__ = ("_index", "raw")

    raw: list[tuple[str, str]]

    def __init__(self, raw: Iterable[tuple[str, str]] = ()) -> None:
        self.raw = list(raw)
        self._index: dict[str, list[str]] | None = None

    def _values(self) -> dict[str, list[str]]:
        if self._index is None:
            self._index = {}
            for name, value in self.raw:
                self._index.setdefault(name.lower(), []).append(value)
        return self._index

    def get_all(self, name: str) -> list[str]:
        """All values of a field, in the order of the wire."""
        return list(self._values().get(name.lower(), ()))

    def __getitem__(self, name: str) -> str:
        values = self._values()[name.lower()]
        return ("; " if name.lower() == "cookie" else ", ").join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return f"Headers({self.raw!r})"


class Request:
    """A request that a server received: its head, and `await read()` for its body."""

    __slots__ = ("__dict__", "__weakref__", "_body", "headers", "http_version", "method", "socket", "url")

    method: str
    url: str
    """The request target as it was written: path and query, or a whole address (RFC 9112 3.2)."""
    headers: Headers
    http_version: str
    socket: asyncio.Transport
    """The transport on which it arrived; `socket.get_extra_info("peername")` is the client's address."""

    def __init__(
        self, method: str, url: str, headers: Headers, http_version: str, socket: asyncio.Transport
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.http_version = http_version
        self.socket = socket
        self._body: RequestBody | None = None

    async def read(self, limit: int = 1024 * 1024) -> bytes:
        """Read the body of a plain request of an `HttpServer`, by Content-Length or chunked; b"" for none.

        Raises HeadError, with the `status` to answer, if the body is larger than `limit` bytes (413), if it
        is malformed (400), or if no more of it arrives for `handshake_timeout` (408), and
        ConnectionResetError if the client leaves. A client that has sent `Expect: 100-continue` gets that
        interim answer. A body that was read can be read again.
        """
        return b"" if self._body is None else await self._body.read(limit)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for an interim answer. HTTP/1.0 has none (RFC 9110 10.1.1)."""
        expected = list_of(self.headers.get("expect", "").lower())
        return self.http_version != "1.0" and "100-continue" in expected

    @property
    def raw_headers(self) -> list[str]:
        """Names and values in turn, as they were on the wire: Node's `rawHeaders`."""
        return [each for field in self.headers.raw for each in field]

    rawHeaders = raw_headers

    @property
    def httpVersion(self) -> str:
        """ws's (Node's) name of `http_version`."""
        return self.http_version

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url!r}>"


class _Body(Protocol):
    """The source of a response's body."""

    async def read(self, limit: int) -> bytes: ...

    def snapshot(self) -> _Body: ...


class Response:
    """The head of a response that a client received; `await read()` or `async for` give its body."""

    __slots__ = ("__dict__", "_body", "headers", "http_version", "status", "status_message")

    status: int
    status_message: str
    headers: Headers
    http_version: str

    def __init__(
        self,
        status: int,
        status_message: str,
        headers: Headers,
        http_version: str,
        body: _Body,
    ) -> None:
        self.status = status
        self.status_message = status_message
        self.headers = headers
        self.http_version = http_version
        self._body = body

    async def read(self, limit: int = 1024 * 1024) -> bytes:
        """Read at most `limit` bytes of the body. The next call reads on; b"" is the end.

        The body ends as RFC 9112 6.3 says: by Content-Length, by the last chunk, or with the connection.
        Raises HandshakeError if it is cut off or malformed.
        """
        parts = []
        while limit > 0:
            part = await self._body.read(limit)
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces of the body as they come, if it is too large to hold."""
        while part := await self._body.read(64 * 1024):
            yield part

    @property
    def statusCode(self) -> int:
        """ws's (Node's) name of `status`."""
        return self.status

    @property
    def statusMessage(self) -> str:
        """ws's (Node's) name of `status_message`."""
        return self.status_message

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy` and `pickle`: the head, and the unread part of the body that has arrived."""
        head = (self.status, self.status_message, self.headers, self.http_version)
        return type(self), (*head, self._body.snapshot()), self.__dict__ or None

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.status_message!r}>"


def list_of(value: str) -> list[str]:
    """Return the members of a list (RFC 9110 5.6.1). Only SP and HTAB are blanks, unlike in `str.strip`."""
    return [each.strip(" \t") for each in value.split(",")]


def has_valid_host(raw: Iterable[tuple[str, str]], http_version: str) -> bool:
    """Whether a request has exactly one Host, which can name a server. HTTP/1.0 needs none (RFC 9112 3.2)."""
    hosts = [value for name, value in raw if name.lower() == "host"]
    if not hosts:
        return http_version == "1.0"
    host = hosts[0]
    bad = not host.isascii() or not host.isprintable() or any(each in host for each in " /?#@\\")
    return len(hosts) == 1 and host != "" and not bad


def path_of(target: str) -> str:
    """Return the path of a request target in origin form or, as a server must accept it, in absolute form.

    RFC 9112 3.2.2: the latter is a whole address, which clients send to proxies and proxies may pass on.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") and "://" in path:
        return "/" + path.partition("://")[2].partition("/")[2]
    return path


def phrase(status: int) -> str:
    """Return the reason phrase that belongs to a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def check_field(name: object, value: object) -> tuple[str, str]:
    """Return a header field of the program, checked and ready to be written.

    Raises TypeError for a wrong type and ValueError for a field that would break out of its line
    (RFC 7230 3.2: a name is a token, a value has no CR, LF or NUL).
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a header must be a str, not {type(name).__name__}")
    if not core.is_token(name):
        raise ValueError(f"the name of a header must be a token, not {name!r}")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError(f"the value of the header {name!r} must be a str, not {type(value).__name__}")
    check_line(f"the value of the header {name!r}", value)
    return name, value.strip(" \t")


def check_line(what: str, value: object) -> None:
    """Raise TypeError if `value` is not a str, and ValueError if it cannot be part of a line of a head."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    # The value may be a secret, so only the forbidden character is shown.
    for at, character in enumerate(value):
        if (character < " " and character != "\t") or character == "\x7f":
            raise ValueError(f"{what} must not contain control characters: {character!r} at {at}")
        if character > "\xff":
            raise ValueError(f"{what} must be latin-1: {character!r} at {at}")


def fields(headers: HeadersLike) -> list[tuple[str, str]]:
    """Return all header fields of the program, checked."""
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(f"headers must be a mapping or pairs, not {type(headers).__name__}")
    if isinstance(headers, Headers):
        headers = headers.raw
    checked = []
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                f"headers must be a mapping or pairs; one of them is not a pair but {type(pair).__name__}"
            )
        name, value = pair
        for each in value if isinstance(value, (list, tuple)) else (value,):
            checked.append(check_field(name, each))
    return checked


def format_answer(
    status: int,
    body: str | bytes | None = None,
    headers: HeadersLike = (),
    *,
    content_type: str = "text/html",
) -> bytes:
    """Return a whole answer that ends the connection, as ws writes it. The default body is the phrase.

    204 and 304 have no body (RFC 9110 6.4.1). Raises ValueError if one is given.
    """
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"a status must be an int, not {type(status).__name__}")
    if not 100 <= status <= 999:
        raise ValueError(f"a status must be 100 to 999, not {status}")
    without = status in (204, 304)
    if body is None:
        body = "" if without else phrase(status)
    data = body.encode() if isinstance(body, str) else body
    lines = {
        "connection": ("Connection", "close"),
        "content-type": ("Content-Type", content_type),
        "content-length": ("Content-Length", str(len(data))),
    }
    if without:
        if data:
            raise ValueError(f"an answer of status {status} has no body")
        del lines["content-type"], lines["content-length"]
    more = fields(headers)
    for name, _ in more:
        lines.pop(name.lower(), None)
    head = [
        f"HTTP/1.1 {status} {phrase(status)}",
        *(f"{name}: {value}" for name, value in [*lines.values(), *more]),
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + data
