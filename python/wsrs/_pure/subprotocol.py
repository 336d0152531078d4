"""The grammar of `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4), read in linear time."""

from __future__ import annotations

from wsrs._pure.extension import unexpected
from wsrs._pure.http import TOKEN

__all__ = ["parse_subprotocols"]


def parse_subprotocols(value: str) -> list[str]:
    """Parse `Sec-WebSocket-Protocol`; ValueError for an empty, invalid or repeated name."""
    names: dict[str, None] = {}
    at = 0
    for item in value.split(","):
        name = item.strip(" \t")
        token = TOKEN.match(name)
        end = token.end() if token else 0
        if not name:
            raise unexpected(value, at + len(item))
        if end < len(name):
            raise unexpected(value, at + item.index(name) + end)
        if name in names:
            # "The elements … MUST all be unique strings" (section 4.1, item 10).
            raise ValueError(f'The "{name}" subprotocol is duplicated')
        names[name] = None
        at += len(item) + 1
    return list(names)
