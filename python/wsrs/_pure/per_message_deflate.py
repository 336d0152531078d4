"""permessage-deflate (RFC 7692): its options and its negotiation. The decisions are those of ws."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from wsrs._pure.deflate import Deflater, Inflater
from wsrs._pure.integers import check_counts, in_range

__all__ = ["PerMessageDeflate"]

NAME = "permessage-deflate"

_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_SERVER_BITS, _CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"
_BITS = ("8", "9", "10", "11", "12", "13", "14", "15")

Params = dict[str, "int | bool"]


class PerMessageDeflate:
    """See `wsrs._backend.contract.PerMessageDeflate`.

    `concurrency_limit` bounds how many long messages are compressed and inflated at once (`thread_pool.py`).
    """

    __slots__ = (
        "_client_bits",
        "_flags",
        "_level",
        "_mem_level",
        "_params",
        "_server_bits",
        "_strategy",
        "concurrency_limit",
        "is_server",
        "threshold",
    )

    def __init__(
        self,
        *,
        is_server: bool,
        server_no_context_takeover: bool | None = None,
        client_no_context_takeover: bool | None = None,
        server_max_window_bits: int | bool | None = None,
        client_max_window_bits: int | bool | None = None,
        threshold: int = 1024,
        level: int = -1,
        mem_level: int = 8,
        strategy: int = 0,
        concurrency_limit: int = 10,
    ) -> None:
        for name, bits in ((_SERVER_BITS, server_max_window_bits), (_CLIENT_BITS, client_max_window_bits)):
            if bits is not None and not isinstance(bits, bool):
                in_range(name, bits, 8, 15)
        check_counts(threshold=threshold, concurrency_limit=concurrency_limit)
        self.is_server = is_server
        self._flags = dict(zip(_FLAGS, (server_no_context_takeover, client_no_context_takeover), strict=True))
        self._server_bits = None if server_max_window_bits is True else server_max_window_bits
        self._client_bits = client_max_window_bits
        self.threshold = threshold
        self._level = in_range("level", level, -1, 9)
        self._mem_level = in_range("mem_level", mem_level, 1, 9)
        self._strategy = in_range("strategy", strategy, 0, 4)
        self.concurrency_limit = concurrency_limit
        self._params: Params | None = None

    @property
    def params(self) -> Params:
        """The negotiated parameters; empty before `accept`."""
        return dict(self._params or {})

    def offer(self) -> str:
        """The header value with which a client offers the extension."""
        params: Params = {name: True for name in _FLAGS if self._flags[name]}
        if self._server_bits:
            params[_SERVER_BITS] = self._server_bits
        # Named without a value it says only that the client follows what the server demands (7.1.2.2).
        if self._client_bits is not False:
            params[_CLIENT_BITS] = self._client_bits or True
        return _header_value(params)

    def accept(self, configurations: Sequence[Mapping[str, Sequence[str | bool]]]) -> str:
        """Choose among the offers (server) or check the answer (client). Raises ValueError if none fits."""
        if not self.is_server and len(configurations) != 1:
            raise ValueError("None of the extension offers can be accepted")
        offers = [
            {name: _value(name, values, self.is_server) for name, values in each.items()}
            for each in configurations
        ]
        params = self._accept_as_server(offers) if self.is_server else self._accept_as_client(offers[0])
        self._params = {
            name: params[name] for name in (*_FLAGS, _SERVER_BITS, _CLIENT_BITS) if name in params
        }
        return _header_value(self._params)

    def _accept_as_server(self, offers: list[Params]) -> Params:
        accepted = next((offer for offer in offers if self._is_acceptable(offer)), None)
        if accepted is None:
            raise ValueError("None of the extension offers can be accepted")
        accepted.update({name: True for name in _FLAGS if self._flags[name]})
        if self._server_bits:
            accepted[_SERVER_BITS] = self._server_bits
        theirs = accepted.pop(_CLIENT_BITS, True)
        if self._client_bits is None or self._client_bits is True:
            if theirs is not True:
                accepted[_CLIENT_BITS] = theirs
        elif self._client_bits is not False:
            # "equal to or smaller than" the client's hint (section 7.1.2.2).
            accepted[_CLIENT_BITS] = self._client_bits if theirs is True else min(self._client_bits, theirs)
        return accepted

    def _is_acceptable(self, offer: Params) -> bool:
        if self._flags["server_no_context_takeover"] is False and "server_no_context_takeover" in offer:
            return False
        if self._server_bits is False and _SERVER_BITS in offer:
            return False
        if self._server_bits and self._server_bits > offer.get(_SERVER_BITS, 15):
            return False
        # "a server MUST NOT include it in the response if the client's offer did not" (7.1.2.2).
        return isinstance(self._client_bits, bool) or self._client_bits is None or _CLIENT_BITS in offer

    def _accept_as_client(self, answer: Params) -> Params:
        if self._flags["client_no_context_takeover"] is False and "client_no_context_takeover" in answer:
            raise ValueError('Unexpected parameter "client_no_context_takeover"')
        ours = 15 if self._client_bits in (None, True) else int(self._client_bits or 0)
        if answer.get(_CLIENT_BITS, 0) > ours:
            raise _unexpected(_CLIENT_BITS)
        if ours and self._client_bits not in (None, True):
            answer.setdefault(_CLIENT_BITS, ours)
        # A server takes up the window that was asked of it "with the same or smaller value as the offer"
        # (section 7.1.2.1). As in ws, one that leaves our wishes out is accepted: any window can be read.
        if self._server_bits and answer.get(_SERVER_BITS, 0) > self._server_bits:
            raise _unexpected(_SERVER_BITS)
        return answer

    def contexts(self) -> tuple[Inflater, Deflater]:
        """Return what one connection receives and sends with. Raises RuntimeError before `accept`."""
        params = self._params
        if params is None:
            raise RuntimeError("permessage-deflate was not negotiated yet")
        ours, theirs = ("server", "client") if self.is_server else ("client", "server")
        bits = int(params.get(f"{ours}_max_window_bits", 15))
        fresh = {side: f"{side}_no_context_takeover" in params for side in (ours, theirs)}
        settings = (self._level, zlib.DEFLATED, -bits, self._mem_level, self._strategy)
        return Inflater(fresh[theirs]), Deflater(settings, fresh[ours], self.threshold)


def _unexpected(name: str) -> ValueError:
    return ValueError(f'Unexpected or invalid parameter "{name}"')


def _value(name: str, values: Sequence[str | bool], is_server: bool) -> int | bool:
    """Return the value of a parameter. A malformed one makes all offers unacceptable, as in ws."""
    value = values[0]
    if name not in (*_FLAGS, _SERVER_BITS, _CLIENT_BITS):
        raise ValueError(f'Unknown parameter "{name}"')
    # Only a client's offer may leave the value of its own window open (section 7.1.2.2).
    is_flag = name in _FLAGS or (name == _CLIENT_BITS and is_server and value is True)
    # "a decimal integer value without leading zeroes between 8 to 15, inclusive" (7.1.2.1)
    if value is not True if is_flag else value not in _BITS:
        raise ValueError(f'Invalid value for parameter "{name}": {"true" if value is True else value}')
    if len(values) > 1:
        raise ValueError(f'Parameter "{name}" must have only a single value')
    return True if is_flag else int(value)


def _header_value(params: Params) -> str:
    return "; ".join(
        [NAME, *(name if value is True else f"{name}={value}" for name, value in params.items())]
    )
