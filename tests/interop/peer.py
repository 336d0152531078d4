"""The operations of a peer: one interface over npm's ws, websockets, aiohttp and a browser.

`deflate` is a mapping with the names of wsrs's `per_message_deflate`, or None for no compression.
"""

from __future__ import annotations

import base64
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import wsrs

Data = str | bytes
Deflate = Mapping[str, Any]

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
"""A self-signed certificate for localhost, and its key."""

PARAMETERS = frozenset(
    {
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    }
)


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def address(port: int, secure: bool) -> str:
    return f"wss://localhost:{port}/" if secure else f"ws://127.0.0.1:{port}/"


class Theirs(ABC):
    """The peer's end of a connection."""

    protocol: str
    """The subprotocol, or ""."""
    compressed: bool
    """True if permessage-deflate was agreed on."""

    @abstractmethod
    async def send(self, data: Data) -> None: ...

    @abstractmethod
    async def send_fragments(self, parts: Sequence[Data]) -> None:
        """Send one message, with one frame for each part."""

    @abstractmethod
    async def recv(self) -> Data: ...

    @abstractmethod
    async def ping(self, payload: bytes) -> bytes:
        """Send a ping, and return the payload of its pong."""

    @abstractmethod
    async def close(self, code: int, reason: str) -> None:
        """Begin to close."""

    @abstractmethod
    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the end, and return the code and reason that arrived; None if the peer does not tell
        one."""


class Peer(ABC):
    """The other implementation. The tests do not ask it for anything that it cannot do."""

    roles: ClassVar[tuple[str, ...]] = ("client", "server")
    fragments: ClassVar[bool] = True
    """True if it can send a message in several frames."""
    echoes: ClassVar[bool] = True
    """True if it answers a close frame with the code and reason of that frame; aiohttp answers with 1000."""
    pings: ClassVar[bool] = True
    """True if a program can send pings with it."""
    offers: ClassVar[frozenset[str]] = PARAMETERS
    """The parameters of permessage-deflate that its client can ask for."""
    honours: ClassVar[frozenset[str]] = PARAMETERS
    """The parameters that its server agrees to."""

    async def start(self) -> None:  # noqa: B027
        """Prepare for its first connection."""

    @abstractmethod
    async def stop(self) -> None:
        """End everything that is open."""

    @abstractmethod
    async def connect(
        self, url: str, *, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> Theirs: ...

    @abstractmethod
    async def serve(
        self, *, secure: bool = False, protocols: Sequence[str] = (), deflate: Deflate | None = None
    ) -> str:
        """Listen, and return the URL."""

    @abstractmethod
    async def accept(self) -> Theirs:
        """The next connection to its server."""


class Link:
    """Both ends of a connection."""

    def __init__(self, ours: wsrs.WebSocket, theirs: Theirs, echoes: bool) -> None:
        self.ours = ours
        self.theirs = theirs
        self.echoes = echoes


class Call(Protocol):
    """A call of a function in another process; its arguments and result are JSON values."""

    def __call__(self, name: str, /, **args: Any) -> Awaitable[Any]: ...


def encode(data: Data) -> dict[str, str]:
    if isinstance(data, str):
        return {"text": data}
    return {"binary": base64.b64encode(data).decode()}


def decode(data: dict[str, str]) -> Data:
    return data["text"] if "text" in data else base64.b64decode(data["binary"])


class Remote(Theirs):
    """A connection in another process, driven by the calls of `node/peer.mjs` or of `page.js`."""

    def __init__(self, call: Call, described: dict[str, Any]) -> None:
        self._call = call
        self.number: int = described["number"]
        self.protocol = described["protocol"]
        self.extensions: str = described["extensions"]
        self.compressed = "permessage-deflate" in self.extensions

    async def send(self, data: Data) -> None:
        await self._call("send", number=self.number, data=encode(data))

    async def send_fragments(self, parts: Sequence[Data]) -> None:
        await self._call("fragments", number=self.number, parts=[encode(part) for part in parts])

    async def recv(self) -> Data:
        return decode(await self._call("recv", number=self.number))

    async def ping(self, payload: bytes) -> bytes:
        pong = decode(await self._call("ping", number=self.number, data=encode(payload)))
        assert isinstance(pong, bytes)
        return pong

    async def close(self, code: int, reason: str) -> None:
        await self._call("close", number=self.number, code=code, reason=reason)

    async def closed(self) -> tuple[int | None, str | None]:
        code, reason, *_ = await self._call("closed", number=self.number)
        return code, reason
