"""The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1), read in linear time."""

from __future__ import annotations

import re

from wsrs._backend.contract import Extensions
from wsrs._pure.http import TCHAR, TOKEN

__all__ = ["parse_extensions", "unexpected"]

_SPACES = re.compile(r"[ \t]*")
_QUOTED = re.compile(rf"(?:{TCHAR}|\\{TCHAR})*")


def unexpected(text: str, at: int) -> ValueError:
    return ValueError(f"Unexpected character at index {at}" if at < len(text) else "Unexpected end of input")


class _Scanner:
    """Reads a header value from left to right, each character once."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise unexpected(self.text, self.at)
        self.at = match.end()
        return match[0]

    def is_at_end(self) -> bool:
        self._skip(_SPACES)
        return self.at == len(self.text)

    def take(self, character: str) -> bool:
        """Go past `character`, if it is the next but for spaces."""
        self._skip(_SPACES)
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def token(self) -> str:
        self._skip(_SPACES)
        return self._skip(TOKEN)

    def value(self) -> str:
        """A token, or a quoted string whose content is one (section 9.1)."""
        if not self.take('"'):
            return self.token()
        start = self.at
        value = self._skip(_QUOTED)
        if not self.text.startswith('"', self.at):
            raise unexpected(self.text, self.at + self.text.startswith("\\", self.at))
        if not value:
            raise unexpected(self.text, start)
        self.at += 1
        return value.replace("\\", "")


def parse_extensions(value: str) -> Extensions:
    """Parse `Sec-WebSocket-Extensions`; ValueError at the first character that cannot stand there."""
    scanner = _Scanner(value)
    extensions: Extensions = []
    while True:
        name = scanner.token()
        params: dict[str, list[str | bool]] = {}
        while scanner.take(";"):
            values = params.setdefault(scanner.token(), [])
            values.append(scanner.value() if scanner.take("=") else True)
        extensions.append((name, params))
        if scanner.is_at_end():
            return extensions
        if not scanner.take(","):
            raise unexpected(value, scanner.at)
