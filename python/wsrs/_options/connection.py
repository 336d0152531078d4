"""The options of a connection, of either end, and of one message: their rows and tables."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from wsrs._options.checks import boolean, duration, heartbeat, instance_of, integer, one_of, wrong_type
from wsrs._options.table import Option, OptionTable

__all__ = ["CONNECTION", "DEFLATE", "SEND", "SSL", "ZLIB_DEFLATE", "ZLIB_INFLATE", "deflate_options"]


def _window_bits(name: str, value: Any) -> int:
    return int(integer(8, 15)(name, value))


def _window_bits_or_false(name: str, value: Any) -> int | bool:
    return value if value is False else _window_bits(name, value)


def _window_bits_or_bool(name: str, value: Any) -> int | bool:
    return value if isinstance(value, bool) else _window_bits(name, value)


def _no_dictionary(name: str, value: Any) -> Any:
    raise ValueError(f"{name}: permessage-deflate has no preset dictionary (RFC 7692), so no peer has it")


def _deflate_keywords(name: str, value: Any) -> dict[str, int]:
    """Return `zlib_deflate_options` as keywords of the backend's class."""
    options = ZLIB_DEFLATE.resolve(value)
    return {key: options[key] for key in ("level", "mem_level", "strategy") if options[key] is not None}


def _inflate_checked(name: str, value: Any) -> None:
    """Check `zlib_inflate_options`, and return nothing of them; the table says why."""
    ZLIB_INFLATE.resolve(value)


def deflate_options(name: str, value: Any) -> dict[str, Any] | None:
    """Return `per_message_deflate`, a bool or a mapping, as keywords of the backend's class; None if off."""
    if isinstance(value, bool):
        value = {} if value else None
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise wrong_type(name, "a bool or a mapping", value)
    options = DEFLATE.resolve(value)
    zlib_options = options.pop("zlib_deflate_options") or {}
    del options["zlib_inflate_options"]
    return {key: each for key, each in {**options, **zlib_options}.items() if each is not None}


# The options that Node passes on to zlib. `level`, `mem_level` and `strategy` are obeyed. The others are
# checked as in Node, so that a program for ws runs and mistakes are found, and have no effect, because:
# - chunk_size: the size of Node's output buffers. Here the output goes straight into the message.
# - window_bits: what was negotiated is used instead, as in ws; server_max_window_bits and
#   client_max_window_bits negotiate it.
# - flush, finish_flush: a message ends in a sync flush (RFC 7692 7.2.1), which ws asks for itself.
# - max_output_length, info: they are for Node's functions on whole buffers, which ws does not use;
#   max_payload bounds a message.
_ZLIB = [
    Option("chunk_size", "chunkSize", integer(64)),
    Option("dictionary", "dictionary", _no_dictionary),
    Option("finish_flush", "finishFlush", integer(0, 5)),
    Option("flush", "flush", integer(0, 5)),
    Option("info", "info", boolean),
    Option("level", "level", integer(-1, 9)),
    Option("max_output_length", "maxOutputLength", integer(1)),
    Option("mem_level", "memLevel", integer(1, 9)),
    Option("strategy", "strategy", integer(0, 4)),
    Option("window_bits", "windowBits", _window_bits),
]

ZLIB_DEFLATE = OptionTable("zlib_deflate_options", _ZLIB)

ZLIB_INFLATE = OptionTable("zlib_inflate_options", _ZLIB)
"""The same names, as in Node. Inflating needs none of them: it works whatever level the peer has chosen."""

DEFLATE = OptionTable(
    "per_message_deflate",
    [
        Option("server_no_context_takeover", "serverNoContextTakeover", boolean),
        Option("client_no_context_takeover", "clientNoContextTakeover", boolean),
        Option("server_max_window_bits", "serverMaxWindowBits", _window_bits_or_false),
        Option("client_max_window_bits", "clientMaxWindowBits", _window_bits_or_bool),
        Option("zlib_deflate_options", "zlibDeflateOptions", _deflate_keywords),
        Option("zlib_inflate_options", "zlibInflateOptions", _inflate_checked),
        Option("threshold", "threshold", integer(0), 1024),
        Option("concurrency_limit", "concurrencyLimit", integer(1), 10),
    ],
)

SEND = OptionTable(
    "send",
    [
        Option("binary", "binary", boolean),
        Option("compress", "compress", boolean),
        Option("fin", "fin", boolean, True),
        Option("mask", "mask", boolean),
    ],
)

CONNECTION = [
    Option("allow_synchronous_events", "allowSynchronousEvents", boolean, True),
    Option("auto_pong", "autoPong", boolean, True),
    Option("close_timeout", "closeTimeout", duration, 30.0, time=True),
    Option("heartbeat", "heartbeat", heartbeat),
    Option("high_water_mark", "highWaterMark", integer(1), 64 * 1024),
    Option("max_buffered_chunks", "maxBufferedChunks", integer(0), 256 * 1024),
    Option("max_fragments", "maxFragments", integer(0), 16 * 1024),
    Option("max_payload", "maxPayload", integer(0), 100 * 1024 * 1024),
    Option("max_pending_auto_pongs", "maxPendingAutoPongs", integer(0), 60),
    Option("skip_utf8_validation", "skipUTF8Validation", boolean, False),
    Option("slow_peer", "slowPeer", one_of("pause", "drop", "close"), "pause"),
]

SSL = Option("ssl", "ssl", instance_of("an ssl.SSLContext", ssl.SSLContext))
