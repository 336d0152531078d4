"""The exceptions of wsrs. They stand for ws's `Error` with a `.code`, in forms that asyncio users expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsrs.http import Response

__all__ = ["ConnectionClosed", "HandshakeError", "HeadError", "SlowPeer", "UpgradeRefused", "WebSocketError"]


class WebSocketError(Exception):
    """Base of all errors of wsrs, and the error of an `'error'` event for a fault of the peer.

    `code` is ws's name of the fault (`"WS_ERR_INVALID_UTF8"`), or None if ws has none for it;
    `close_code` is the close code that the fault asks for (RFC 6455 7.4.1), or None.
    """

    code: str | None
    close_code: int | None

    def __init__(self, message: str, *, code: str | None = None, close_code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy` and `pickle`. The default would call the constructor with the message alone."""
        state = dict(self.__dict__)
        if isinstance(self.__cause__, (WebSocketError, OSError)):
            state["__cause__"] = self.__cause__
        return _restored, (type(self), self.args), state


class ConnectionClosed(WebSocketError):
    """The connection is closed, so there is no message to receive or no way to send one.

    `close_code` is the code of the close event (1006 if no close frame was received), and `reason` is its
    text. While the connection is only closing, the message says so, and both are those of the peer's close
    frame; before that frame arrives, `close_code` is None.
    """

    reason: str

    def __init__(self, close_code: int | None, reason: str = "", *, closing: bool = False) -> None:
        text = f"the WebSocket connection is {'closing' if closing else 'closed'}"
        if close_code is not None:
            text += f": code {close_code}"
        super().__init__(f"{text}, reason {reason!r}" if reason else text, close_code=close_code)
        self.reason = reason


class SlowPeer(WebSocketError):
    """A message was not sent, because the peer reads too slowly (the option `slow_peer`).

    `code` is `"WS_ERR_SLOW_PEER"`; `close_code` is 1013, with which "close" ends the connection.
    """

    def __init__(self) -> None:
        text = "the peer reads too slowly: more than high_water_mark is queued for it"
        super().__init__(text, code="WS_ERR_SLOW_PEER", close_code=1013)


class HandshakeError(WebSocketError):
    """The opening handshake failed; `status` is the HTTP status of the answer, if there was one.

    `response` is the server's answer that a client has refused, as a listener of `'unexpected-response'` gets
    it (`status`, `headers`), or None. The connection is ended, so `await response.read()` returns the part of
    the body that came with the head, then raises a HandshakeError if that was not all. When the error is
    pickled, or copied by `copy.deepcopy`, the response becomes a copy with the unread rest of that part.
    """

    status: int | None
    response: Response | None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.response = response


class HeadError(WebSocketError):
    """An HTTP head, or a body, that cannot be accepted; `status` is what a server answers."""

    status: int

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class UpgradeRefused(HeadError):
    """A request that is not acceptable as a WebSocket upgrade; it is answered with `status` and `headers`."""

    headers: dict[str, str]

    def __init__(self, message: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, status)
        self.headers = headers or {}


def _restored(cls: type[WebSocketError], args: tuple[object, ...]) -> WebSocketError:
    error = cls.__new__(cls)
    error.args = args
    return error
