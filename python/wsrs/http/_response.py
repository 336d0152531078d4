"""The answer of an `HttpServer` to a plain request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrs.http._messages import HeadersLike, check_field, fields, format_answer

if TYPE_CHECKING:
    from wsrs.http._protocol import ServerProtocol

__all__ = ["ServerResponse"]


class ServerResponse:
    """Answers one request; the connection is closed after it."""

    __slots__ = ("_head_only", "_headers", "_protocol", "finished", "status")

    status: int
    """The status to answer with, 200 unless set."""
    finished: bool
    """Whether the answer is given."""

    def __init__(self, protocol: ServerProtocol, head_only: bool = False) -> None:
        self._protocol = protocol
        self._head_only = head_only
        self._headers: list[tuple[str, str]] = []
        self.status = 200
        self.finished = False

    def set_header(self, name: str, value: str | int) -> None:
        """Set a header field, replacing those of its name."""
        field = check_field(name, value)
        self._headers = [each for each in self._headers if each[0].lower() != name.lower()]
        self._headers.append(field)

    def remove_header(self, name: str) -> None:
        """Remove the header fields of this name."""
        self._headers = [each for each in self._headers if each[0].lower() != name.lower()]

    def write_head(self, status: int, headers: HeadersLike = ()) -> ServerResponse:
        """Set the status and header fields, replacing those of their names. A list sets several."""
        more = fields(headers)
        replaced = {name.lower() for name, _ in more}
        self._headers = [each for each in self._headers if each[0].lower() not in replaced] + more
        self.status = status
        return self

    def end(self, body: str | bytes = b"") -> None:
        """Write the answer with `body`, then close the connection.

        The answer to HEAD has the length of the body, but not the body. Raises RuntimeError for a second
        call, and ValueError for a status below 200, which answers no request, for a body with a status that
        has none (204, 304), and for a Content-Length or Transfer-Encoding that is not the body's.
        """
        if self.finished:
            raise RuntimeError("the request is answered already")
        data = body.encode() if isinstance(body, str) else body
        self._check(data)
        answer = format_answer(self.status, data, self._headers, content_type="text/plain")
        if self._head_only:
            answer = answer[: len(answer) - len(data)]
        self.finished = True
        self._protocol.answer(answer)

    def _check(self, data: bytes) -> None:
        if self.status < 200:
            raise ValueError(f"a request is not answered by a status of {self.status}")
        for name, value in self._headers:
            if name.lower() == "transfer-encoding":
                raise ValueError("an answer is written whole, without a Transfer-Encoding")
            if name.lower() == "content-length" and value != str(len(data)) and not self._head_only:
                raise ValueError(f"the body has {len(data)} bytes, not a Content-Length of {value}")

    def _failed(self, status: int, why: str | None = None) -> None:
        """Answer in place of a listener that raised, unless it has answered."""
        if not self.finished:
            self.finished = True
            self._protocol.answer(format_answer(status, why))

    # Node's names.
    @property
    def statusCode(self) -> int:
        """Node's name of `status`."""
        return self.status

    @statusCode.setter
    def statusCode(self, status: int) -> None:
        self.status = status

    setHeader = set_header
    removeHeader = remove_header
    writeHead = write_head
