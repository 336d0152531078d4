"""The options of `create_websocket_stream`: those of Node's `Duplex` that mean something for asyncio.

The others are refused by name, with the reason.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any, TypedDict

from wsrs._options.checks import boolean, integer, text
from wsrs._options.table import Option, OptionTable

__all__ = ["STREAM", "StreamOptions", "stream_options"]

BYTES_MARK = 64 * 1024
"""Bytes (or characters) held in one direction before the other side of it has to wait."""
OBJECTS_MARK = 16
"""The same in messages, for an end in object mode."""

_NODE_ENCODINGS = {"utf16le": "utf-16-le", "ucs2": "utf-16-le", "ucs-2": "utf-16-le", "binary": "latin-1"}
"""Node's names of encodings that Python knows by another name."""


def _encoding(name: str, value: Any) -> str:
    """A text encoding by its name in Python or in Node."""
    given = text(name, value)
    encoding = _NODE_ENCODINGS.get(given.lower(), given)
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except LookupError:
        raise ValueError(f"{name} must be a text encoding, not {given!r}") from None
    return encoding


_OWN_METHODS = "the stream over a WebSocket does this itself"
_NO_EVENTS = "an asyncio stream has no events; `wait_closed()` tells of the end"
_BOTH_ENDS = "a WebSocket has both ends; leave the other one unused"

_REFUSED: Mapping[str, str] = {
    "auto_destroy": "whether the WebSocket is ended is decided by `close`, `write_eof` and `destroy`",
    "emit_close": _NO_EVENTS,
    "signal": "cancel the task that uses the stream, or call `destroy()`",
    "readable": _BOTH_ENDS,
    "writable": _BOTH_ENDS,
    **dict.fromkeys(("construct", "destroy", "final", "read", "write", "writev"), _OWN_METHODS),
}
"""Options of Node's `Duplex` that are not taken, and why."""

STREAM = OptionTable(
    "create_websocket_stream",
    [
        Option("allow_half_open", "allowHalfOpen", boolean, True),
        Option("decode_strings", "decodeStrings", boolean, True),
        Option("default_encoding", "defaultEncoding", _encoding, "utf-8"),
        Option("encoding", "encoding", _encoding),
        Option("high_water_mark", "highWaterMark", integer(0)),
        Option("object_mode", "objectMode", boolean, False),
        Option("readable_high_water_mark", "readableHighWaterMark", integer(0)),
        Option("readable_object_mode", "readableObjectMode", boolean, False),
        Option("writable_high_water_mark", "writableHighWaterMark", integer(0)),
        Option("writable_object_mode", "writableObjectMode", boolean, False),
    ],
    _REFUSED,
)


class StreamOptions(TypedDict, total=False):
    """Keywords of `create_websocket_stream`."""

    allow_half_open: bool | None
    allowHalfOpen: bool | None
    decode_strings: bool | None
    decodeStrings: bool | None
    default_encoding: str | None
    defaultEncoding: str | None
    encoding: str | None
    high_water_mark: int | None
    highWaterMark: int | None
    object_mode: bool | None
    objectMode: bool | None
    readable_high_water_mark: int | None
    readableHighWaterMark: int | None
    readable_object_mode: bool | None
    readableObjectMode: bool | None
    writable_high_water_mark: int | None
    writableHighWaterMark: int | None
    writable_object_mode: bool | None
    writableObjectMode: bool | None


def stream_options(mapping: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """All options, with the modes and marks of both ends decided. Raises TypeError and ValueError."""
    options = STREAM.resolve(mapping, keywords)
    for end in ("readable", "writable"):
        is_objects = options["object_mode"] or options[f"{end}_object_mode"]
        options[f"{end}_object_mode"] = is_objects
        if options[f"{end}_high_water_mark"] is None:
            common = options["high_water_mark"]
            usual = OBJECTS_MARK if is_objects else BYTES_MARK
            options[f"{end}_high_water_mark"] = usual if common is None else common
    _check_modes(options, options.given)
    return options


def _check_modes(options: Mapping[str, Any], given: frozenset[str]) -> None:
    """Raise ValueError for an option about bytes that is given for an end in object mode."""
    for end, names in (("readable", ("encoding",)), ("writable", ("decode_strings", "default_encoding"))):
        for name in names:
            if name in given and options[f"{end}_object_mode"]:
                raise ValueError(
                    f"{STREAM.owner}: {name} is for bytes, and the {end} end is in object mode, "
                    "where a str is a text message"
                )
    if "default_encoding" in given and not options["decode_strings"]:
        raise ValueError(
            f"{STREAM.owner}: default_encoding has no use with decode_strings=False: a str is sent as text"
        )
