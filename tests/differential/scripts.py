"""The scripts for both cores: options, a stream of bytes in pieces, and calls in between.

Everything is drawn from a `random.Random`. The long run seeds it; in the suite it is hypothesis's own
(`st.randoms`), which can shrink a failing script.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.core.harness import KEY, frame

Step = tuple[Any, ...]
"""The name of a `do_` method of `Run`, and its arguments."""

NO_TAKEOVER = ("client_no_context_takeover", "server_no_context_takeover")


@dataclass(frozen=True)
class Script:
    """One example."""

    is_server: bool
    tls: bool
    options: dict[str, Any]
    negotiated: tuple[str, ...] | None
    """The parameters of permessage-deflate; None without it."""
    starts_at_once: bool
    steps: list[Step]
    inside: list[Step]
    """The calls that the owner and the listener make from within theirs, one in each."""


def one_in(random: Random, count: int) -> bool:
    """True once in `count` times."""
    return random.randrange(count) == count - 1


# Payloads -----------------------------------------------------------------------------------------

SIZES = (124, 125, 126, 127, 200, 1000, 3000)
LARGE = (16_383, 65_535, 65_536, 100_000, 140_000)
CHARACTERS = ("a", "é", "€", "😀", "\x00", "\ud7ff", "\ue000", "\U0010ffff")
BAD_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80", b"\xf0\x9f\x98")


def small(random: Random, most: int = 12) -> bytes:
    """A few bytes."""
    return bytes(random.randrange(256) for _ in range(random.randrange(most + 1)))


def text(random: Random) -> bytes:
    """UTF-8, sometimes broken."""
    made = "".join(random.choice(CHARACTERS) for _ in range(random.randrange(7))).encode()
    made *= 20 if one_in(random, 6) else 1
    if one_in(random, 10):
        at = random.randrange(len(made) + 1)
        made = made[:at] + random.choice(BAD_UTF8) + made[at:]
    return made


def binary(random: Random) -> bytes:
    """Bytes of a length at which some limit lies."""
    if random.randrange(3):
        return small(random)
    size = random.choice(LARGE if one_in(random, 12) else SIZES)
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Compressor:
    """The peer's compressor, which keeps its history from message to message."""

    def __init__(self, takeover: bool) -> None:
        self._takeover = takeover
        self._engine = zlib.compressobj(wbits=-15)

    def payload(self, data: bytes, final: bool) -> bytes:
        """`data` compressed as RFC 7692 section 7.2.1 says, or in a block with BFINAL (section 7.2.3.4)."""
        if not self._takeover:
            self._engine = zlib.compressobj(wbits=-15)
        if final:
            out = self._engine.compress(data) + self._engine.flush()
            self._engine = zlib.compressobj(
                wbits=-15
            )  # it refers only to its own output: any receiver follows
            return out + b"\x00"
        out = self._engine.compress(data) + self._engine.flush(zlib.Z_SYNC_FLUSH)
        return out.removesuffix(b"\x00\x00\xff\xff")


def spoiled(random: Random, payload: bytes) -> bytes:
    """A compressed payload with an error in it, or one that ends too early."""
    kind = random.choice(("cut", "flip", "behind", "noise"))
    if kind == "noise":
        return small(random, 40)
    if kind == "behind":
        return payload + random.choice((b"\xff\xff", b"\x06abc", b"\x00", b"\x01\x00\x00\xff\xff"))
    at = random.randrange(max(len(payload), 1))
    if kind == "cut" or not payload:
        return payload[:at]
    return payload[:at] + bytes([payload[at] ^ 1 << random.randrange(8)]) + payload[at + 1 :]


# Frames -------------------------------------------------------------------------------------------


def control(random: Random, key: bytes | None) -> bytes:
    """A ping or a pong."""
    return frame(random.choice((9, 10)), small(random), key=key)


def cuts(random: Random, data: bytes, most: int) -> list[bytes]:
    """`data` in up to `most` + 1 pieces, some of which may be empty."""
    places = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(most + 1)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def message(random: Random, key: bytes | None, compressor: Compressor | None) -> bytes:
    """A message, whole or in fragments, with control frames in between."""
    opcode = random.choice((1, 2))
    payload = text(random) if opcode == 1 else binary(random)
    rsv = 0
    if compressor is not None and random.randrange(4):
        rsv = 0x40
        payload = compressor.payload(payload, one_in(random, 4))
        if one_in(random, 12):
            payload = spoiled(random, payload)
    pieces = cuts(random, payload, 4) if one_in(random, 3) else [payload]
    out = []
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        out.append(frame(0 if number else opcode, piece, fin=last, rsv=0 if number else rsv, key=key))
        if not last and one_in(random, 4):
            out.append(control(random, key))
    return b"".join(out)


FIRST_BYTES = (0x81, 0x82, 0x02, 0x00, 0x80)
CODES = (0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 5000)
LENGTHS = (0, 5, 125, 126, 65_535, 65_536, 2**32, 2**53 - 1, 2**53, 2**63, 2**64 - 1)


def close_frame(random: Random, key: bytes | None) -> bytes:
    """A close frame, usually with a code that may not be sent."""
    reason = (text(random) if one_in(random, 2) else small(random))[:123]
    payload = random.choice((b"", b"\x03", random.choice(CODES).to_bytes(2, "big") + reason))
    return frame(8, payload, key=key)


def odd(random: Random, key: bytes | None) -> bytes:
    """A frame with any first byte, mask bit, declared length and close code, which usually break a rule."""
    kind = random.choice(("first", "mask", "length", "close", "noise"))
    if kind == "noise":
        return small(random, 16)
    if kind == "close":
        return close_frame(random, key)
    first = random.randrange(256) if kind == "first" else random.choice(FIRST_BYTES)
    if kind == "mask":
        key = None if key is not None else KEY
    whole = bytearray(frame(first & 0x0F, small(random), fin=bool(first & 0x80), rsv=first & 0x70, key=key))
    if kind == "length":
        length = random.choice(LENGTHS)
        wide = one_in(random, 2) or length > 65_535
        declared = length.to_bytes(8 if wide else 2, "big")
        whole[1:2] = bytes([whole[1] & 0x80 | (127 if wide else 126)]) + declared
    return bytes(whole)


def stream(random: Random, is_server: bool, negotiated: tuple[str, ...] | None) -> bytes:
    """Messages, control frames, and now and then something that is not allowed."""
    key = KEY if is_server else None
    compressor = None
    if negotiated is not None:
        theirs = NO_TAKEOVER[0] if is_server else NO_TAKEOVER[1]
        compressor = Compressor(theirs not in negotiated)
    out = []
    for _ in range(random.randrange(7)):
        kind = random.randrange(12)
        if kind < 9:
            out.append(message(random, key, compressor))
        else:
            out.append(control(random, key) if kind < 11 else odd(random, key))
    return b"".join(out)


# Calls --------------------------------------------------------------------------------------------

UNUSUAL_DATA = ("text", "", "ü" * 200, 3, 2.5, [1, 2, 255], (), bytearray(b"ab"), memoryview(b"cd"))
NO_DATA = (None, True, object, [256], "\ud800", {"a": 1})
FORMS = ("nodebuffer", "arraybuffer", "fragments", "blob")
OF_THE_API = (
    *("send", "send", "send", "ping", "pong", "send_close", "pause", "resume"),
    *("resume", "recv", "recv", "cancel", "listen", "form", "discard"),
)
OF_THE_END = ("end", "abort", "finish")
OF_THE_WIRE = ("tick", "tick", "rest", "hold", "drain", "drain", "eof", "lose")


def data(random: Random) -> object:
    """Data for `send`, now and then of a type that cannot be sent."""
    kind = random.randrange(8)
    if kind < 3:
        return text(random)
    if kind < 6:
        return binary(random)
    return random.choice(UNUSUAL_DATA if kind == 6 else NO_DATA)


def maybe(random: Random) -> bool | None:
    """An optional flag."""
    return random.choice((None, None, True, False))


def arguments(random: Random, name: str) -> tuple[Any, ...]:
    """The arguments of the step `name`."""
    if name == "send":
        return (data(random), maybe(random), maybe(random), not one_in(random, 3), maybe(random))
    if name in ("ping", "pong"):
        return (random.choice((None, b"p", bytes(125), bytes(126), "ü", 7, object)), maybe(random))
    if name == "send_close":
        return (random.choice((None, 1000, 1005, 3000)), random.choice((b"", b"bye", bytes(124))))
    if name in ("recv", "listen", "discard", "finish"):
        return (one_in(random, 2),)
    return (random.choice(FORMS),) if name == "form" else ()


def calls(random: Random, names: Sequence[str], most: int) -> list[Step]:
    """Up to `most` steps out of `names`, and now and then one that ends something."""
    out: list[Step] = []
    for _ in range(random.randrange(most + 1)):
        name = random.choice(OF_THE_END if one_in(random, 16) else names)
        out.append((name, *arguments(random, name)))
    return out


OPTIONS: dict[str, tuple[Any, ...]] = {
    "max_payload": (0, 10, 130, 1000, 1 << 20),
    "max_fragments": (0, 0, 1, 3),
    "max_buffered_chunks": (0, 0, 1, 2),
    "max_pending_auto_pongs": (0, 1, 60),
    "auto_pong": (True, False),
    "skip_utf8_validation": (False, True),
    "allow_synchronous_events": (True, False),
    "high_water_mark": (0, 10, 65_536),
}


def make_script(random: Random, *, compressed: bool) -> Script:
    """A script; if `compressed`, permessage-deflate is negotiated."""
    is_server = one_in(random, 2)
    options = {name: random.choice(OPTIONS[name]) for name in OPTIONS if one_in(random, 4)}
    if compressed:
        # The two zlibs compress a message to different lengths, so they pass a mark at different messages.
        options.pop("high_water_mark", None)
    negotiated = tuple(name for name in NO_TAKEOVER if one_in(random, 3)) if compressed else None
    steps: list[Step] = []
    starts_at_once = random.randrange(8) < 7
    for number, piece in enumerate(cuts(random, stream(random, is_server, negotiated), 6)):
        if number == 1 and not starts_at_once:
            steps.append(("start", b""))
        steps.append(("feed", piece))
        steps += calls(random, OF_THE_API + OF_THE_WIRE, 3)
    inside = calls(random, [*OF_THE_API, "fault", "nothing", "nothing"], 4)
    return Script(is_server, one_in(random, 4), options, negotiated, starts_at_once, steps, inside)
