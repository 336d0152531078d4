"""permessage-deflate (RFC 7692): its negotiation, and the two contexts of a connection.

The decisions are those of ws. A window of 8 bits is never compressed with: zlib makes one of 9 of it,
which the peer could not follow. An offer that demands it is declined; where it is agreed all the same, our
messages go uncompressed.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping, Sequence

from wsrs._pure.frames import fault
from wsrs.errors import WebSocketError

__all__ = ["Deflater", "Inflater", "PerMessageDeflate"]

NAME = "permessage-deflate"

_TAIL = b"\x00\x00\xff\xff"
"""What a sender takes off the end of a message, and a receiver puts back (sections 7.2.1 and 7.2.2)."""

_WINDOW = 32 * 1024
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")

Params = dict[str, "int | bool"]


class PerMessageDeflate:
    """See `wsrs._backend.PerMessageDeflate`.

    `concurrency_limit` bounds compression beside the event loop. Here all of it is done within the loop,
    one message after the other, which every limit allows.
    """

    __slots__ = ("_level", "_mem_level", "_options", "_params", "_strategy", "concurrency_limit", "is_server", "threshold")

    def __init__(
        self,
        *,
        is_server: bool,
        server_no_context_takeover: bool | None = None,
        client_no_context_takeover: bool | None = None,
        server_max_window_bits: int | None = None,
        client_max_window_bits: int | bool | None = None,
        threshold: int = 1024,
        level: int = -1,
        mem_level: int = 8,
        strategy: int = 0,
        concurrency_limit: int = 10,
    ) -> None:
        if server_max_window_bits is not None:
            _in_range("server_max_window_bits", server_max_window_bits, 8, 15)
        if client_max_window_bits is not None and not isinstance(client_max_window_bits, bool):
            _in_range("client_max_window_bits", client_max_window_bits, 8, 15)
        self.is_server = is_server
        self._options: dict[str, int | bool | None] = {
            "server_no_context_takeover": server_no_context_takeover,
            "client_no_context_takeover": client_no_context_takeover,
            "server_max_window_bits": server_max_window_bits,
            "client_max_window_bits": client_max_window_bits,
        }
        self.threshold = threshold
        self._level = _in_range("level", level, -1, 9)
        self._mem_level = _in_range("mem_level", mem_level, 1, 9)
        self._strategy = _in_range("strategy", strategy, 0, 4)
        self.concurrency_limit = concurrency_limit
        self._params: Params = {}

    @property
    def params(self) -> Params:
        """The negotiated parameters; empty before `accept`."""
        return dict(self._params)

    def offer(self) -> str:
        """The header value with which a client offers the extension."""
        options = self._options
        params: Params = {name: True for name in _FLAGS if options[name]}
        if options["server_max_window_bits"]:
            params["server_max_window_bits"] = options["server_max_window_bits"]
        # Named without a value it says only that the client follows what the server demands (7.1.2.2).
        bits = options["client_max_window_bits"]
        if bits is None or bits:
            params["client_max_window_bits"] = True if bits is None else bits
        return _header_value(params)

    def accept(self, configurations: Sequence[Mapping[str, Sequence[str | bool]]]) -> str:
        """Server: choose among the offers; client: check the answer. ValueError, in ws's words, if it cannot."""
        offers = [{name: _value(name, values, self.is_server) for name, values in each.items()} for each in configurations]
        self._params = self._accept_as_server(offers) if self.is_server else self._accept_as_client(offers)
        return _header_value(self._params)

    def _accept_as_server(self, offers: list[Params]) -> Params:
        accepted = next((offer for offer in offers if self._is_acceptable(offer)), None)
        if accepted is None:
            raise ValueError("None of the extension offers can be accepted")
        options = self._options
        for name in _FLAGS:
            if options[name]:
                accepted[name] = True
        if options["server_max_window_bits"]:
            accepted["server_max_window_bits"] = options["server_max_window_bits"]
        bits = options["client_max_window_bits"]
        if _is_bits(bits):
            accepted["client_max_window_bits"] = bits
        elif accepted.get("client_max_window_bits") is True or bits is False:
            accepted.pop("client_max_window_bits", None)
        return accepted

    def _is_acceptable(self, offer: Params) -> bool:
        options = self._options
        if options["server_no_context_takeover"] is False and "server_no_context_takeover" in offer:
            return False
        demanded = offer.get("server_max_window_bits")
        if demanded is not None and (demanded == 8 or (options["server_max_window_bits"] or 0) > demanded):
            return False
        ours, theirs = options["client_max_window_bits"], offer.get("client_max_window_bits")
        if not _is_bits(ours):
            return True
        # "a server MUST NOT include it in the response if the client's offer did not" (7.1.2.2).
        return theirs is True or (theirs is not None and ours <= theirs)

    def _accept_as_client(self, answers: list[Params]) -> Params:
        if not answers:
            raise ValueError("None of the extension offers can be accepted")
        params, options = answers[0], self._options
        if options["client_no_context_takeover"] is False and "client_no_context_takeover" in params:
            raise ValueError('Unexpected parameter "client_no_context_takeover"')
        ours, theirs = options["client_max_window_bits"], params.get("client_max_window_bits")
        if theirs is None:
            if _is_bits(ours):
                params["client_max_window_bits"] = ours
        elif ours is False or (_is_bits(ours) and theirs > ours):
            raise ValueError('Unexpected or invalid parameter "client_max_window_bits"')
        return params

    def contexts(self) -> tuple[Inflater, Deflater]:
        """What one connection receives and sends with. RuntimeError before `accept`."""
        if not hasattr(self, "_params"):
            raise RuntimeError("permessage-deflate was not negotiated yet")
        ours, theirs = ("server", "client") if self.is_server else ("client", "server")
        bits = {side: int(self._params.get(f"{side}_max_window_bits", 15)) for side in (ours, theirs)}
        fresh = {side: f"{side}_no_context_takeover" in self._params for side in (ours, theirs)}
        settings = (self._level, zlib.DEFLATED, -bits[ours], self._mem_level, self._strategy)
        return Inflater(bits[theirs], fresh[theirs]), Deflater(settings, fresh[ours], self.threshold)


def _in_range(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value}")
    return value


def _is_bits(value: int | bool | None) -> bool:
    return value is not None and not isinstance(value, bool)


def _value(name: str, values: Sequence[str | bool], is_server: bool) -> int | bool:
    """The value of a parameter, checked."""
    if len(values) != 1:
        raise ValueError(f'Parameter "{name}" must have only a single value')
    value = values[0]
    if name in _FLAGS:
        if value is True:
            return True
    elif name in ("server_max_window_bits", "client_max_window_bits"):
        # "a decimal integer value without leading zeroes between 8 to 15, inclusive" (7.1.2.1); only
        # a client's offer may leave the client's one open.
        if value is True and is_server and name == "client_max_window_bits":
            return True
        if value in ("8", "9", "10", "11", "12", "13", "14", "15"):
            return int(value)
    else:
        raise ValueError(f'Unknown parameter "{name}"')
    raise ValueError(f'Invalid value for parameter "{name}": {"true" if value is True else value}')


def _header_value(params: Params) -> str:
    return "; ".join([NAME, *(name if value is True else f"{name}={value}" for name, value in params.items())])


class Deflater:
    """Compresses the messages of one connection."""

    __slots__ = ("_settings", "_zlib", "can_compress", "no_context_takeover", "threshold")

    def __init__(self, settings: tuple[int, int, int, int, int], no_context_takeover: bool, threshold: int) -> None:
        self._settings = settings
        self._zlib: zlib._Compress | None = None
        self.can_compress = settings[2] != -8
        self.no_context_takeover = no_context_takeover
        self.threshold = threshold

    def deflate(self, data: bytes, fin: bool) -> bytes:
        """The compressed payload of a frame; `fin`: it ends its message."""
        if self._zlib is None:
            self._zlib = zlib.compressobj(*self._settings)
        out = self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return out
        if self.no_context_takeover:
            self._zlib = None
        # zlib has nothing to flush behind a flush: an empty block is then one byte (section 7.2.3.6).
        return out[:-4] if out else b"\x00"


class Inflater:
    """Inflates the messages of one connection."""

    __slots__ = ("_at_boundary", "_no_context_takeover", "_wbits", "_window", "_window_size", "_zlib")

    def __init__(self, window_bits: int, no_context_takeover: bool) -> None:
        self._wbits = -window_bits
        self._no_context_takeover = no_context_takeover
        self._zlib: zlib._Decompress | None = None
        self._window: deque[bytes] = deque()
        self._window_size = 0
        self._at_boundary = True
        """Nothing came since the start of the message, or since a block with BFINAL."""

    def inflate(
        self, piece: bytes, last: bool, room: int | None, keep_output: bool
    ) -> tuple[bytes, WebSocketError | None]:
        """Inflate a piece of a message's payload; `last`: the message ends with it.

        At most `room` bytes come out. Where the data are bad, what came before the fault is given too, if
        `keep_output` (which costs a copy of the context).
        """
        self._at_boundary = self._at_boundary and not piece
        if last and not self._at_boundary:
            piece += _TAIL
        out: list[bytes] = []
        error = self._run(piece, room, keep_output, out)
        data = b"".join(out)
        if room is not None and len(data) > room:
            data, error = data[:room], fault("UNSUPPORTED_MESSAGE_LENGTH")
        if last:
            self._at_boundary = True
            if self._no_context_takeover:
                self._restart(b"")
        return data, error

    def _run(self, piece: bytes, room: int | None, keep_output: bool, out: list[bytes]) -> WebSocketError | None:
        size = 0
        while piece and (room is None or size <= room):
            engine = self._zlib
            if engine is None:
                engine = self._zlib = zlib.decompressobj(self._wbits)
            before = engine.copy() if keep_output else None
            limit = 0 if room is None else room - size + 1
            try:
                data = engine.decompress(piece, limit)
            except zlib.error as error:
                if before is not None:
                    out.append(_until_fault(before, piece, limit))
                return fault("Z_DATA_ERROR", str(error).rpartition(": ")[2])
            out.append(data)
            size += len(data)
            self._remember(data)
            if not engine.eof:
                break
            # "a DEFLATE block with the "BFINAL" bit set to 1" may come (section 7.2.3.4): what follows
            # is another stream for zlib, but may refer to the same window.
            piece = engine.unused_data
            self._restart(b"".join(self._window)[-_WINDOW:])
            if piece in (b"", _TAIL):
                self._at_boundary = True
                break
        return None

    def _restart(self, window: bytes) -> None:
        self._zlib = zlib.decompressobj(self._wbits, zdict=window[-(1 << -self._wbits) :]) if window else None
        self._window.clear()
        self._window_size = 0
        self._remember(window)

    def _remember(self, data: bytes) -> None:
        """Keep the last 32 KiB of output, mostly by reference."""
        if not data:
            return
        window = self._window
        window.append(data[-_WINDOW:])
        self._window_size += len(window[-1])
        while self._window_size - len(window[0]) >= _WINDOW:
            self._window_size -= len(window.popleft())
        if len(window) > 64:
            joined = b"".join(window)
            window.clear()
            window.append(joined)


def _until_fault(engine: zlib._Decompress, piece: bytes, limit: int) -> bytes:
    """What `engine` gives before the byte of `piece` at which it fails; at most `limit` bytes, if not 0."""
    out = bytearray()
    for at in range(len(piece)):
        try:
            out += engine.decompress(piece[at : at + 1], limit and limit - len(out))
        except zlib.error:
            break
        if limit and len(out) >= limit:
            break
    return bytes(out)
