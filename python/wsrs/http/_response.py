"""The answer of an `HttpServer` to a plain request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrs.http._messages import HeadersLike, check_field, fields, format_answer

if TYPE_CHECKING:
    from wsrs.http._protocol import ServerProtocol

__all__ = ["ServerResponse"]


class ServerResponse:
    """Answers one request; the connection is closed after it."""

    __slots__ = ("_headers", "_protocol", "finished", "status")

    status: int
    """The status to answer with, 200 unless set."""
    finished: bool
    """Whether the answer is given."""

    def __init__(self, protocol: ServerProtocol) -> None:
        self._protocol = protocol
        self._headers: list[tuple[str, str]] = []
        self.status = 200
        self.finished = False

    def set_header(self, name: str, value: str | int) -> None:
        """Set a header field, in place of earlier ones of this name."""
        field = check_field(name, value)
        self._headers = [each for each in self._headers if each[0].lower() != name.lower()]
        self._headers.append(field)

    def write_head(self, status: int, headers: HeadersLike = ()) -> ServerResponse:
        """Set the status and header fields, in place of earlier ones of their names; a list sets several."""
        more = fields(headers)
        replaced = {name.lower() for name, _ in more}
        self._headers = [each for each in self._headers if each[0].lower() not in replaced] + more
        self.status = status
        return self

    def end(self, body: str | bytes = b"") -> None:
        """Write the answer with `body`, then close the connection. A second call is a RuntimeError."""
        if self.finished:
            raise RuntimeError("the request is answered already")
        answer = format_answer(self.status, body, self._headers, content_type="text/plain")
        self.finished = True
        self._protocol.answer(answer)

    # Node's names.
    setHeader = set_header
    writeHead = write_head
