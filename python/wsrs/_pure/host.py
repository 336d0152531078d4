"""The host of a URL, by the "host parsing" of the URL standard: a domain in ASCII, or an IP address.

Rules kept here: a host that looks like an IPv4 address is one or is refused, whatever its spelling (`127.1`,
`0x7f.1`); a name outside of ASCII is processed by UTS 46, non-transitional (the package idna, imported when
first needed).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from importlib import import_module
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["parse_host"]

_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
"""Forbidden domain code points."""
_NUMBERS = (
    (re.compile(r"0[xX]([0-9a-fA-F]*)"), 16),
    (re.compile(r"0([0-7]+)"), 8),
    (re.compile(r"(0|[1-9][0-9]*)"), 10),
)
_DIGITS = re.compile(r"[0-9]+")
_PUNYCODE = "xn--"
_JOINERS = ("\u200c", "\u200d")


def parse_host(text: str) -> str:
    """Return the host of `text`, which is not empty: in ASCII and lower case, an IPv6 address in brackets.

    Raises ValueError if it is not a host, and RuntimeError if the package idna is needed and missing.
    """
    if text.startswith("["):
        return f"[{_ipv6(text)}]"
    domain = _to_ascii(unquote_to_bytes(text).decode("utf-8", "replace"))
    if not domain:
        raise ValueError("empty host")
    if _FORBIDDEN.search(domain):
        raise ValueError("invalid domain name")
    parts = domain.removesuffix(".").split(".")
    if _DIGITS.fullmatch(parts[-1]) or _number(parts[-1]) is not None:
        return _ipv4(parts)
    return domain


def _number(text: str) -> int | None:
    """Return a part of an IPv4 address, which may be hexadecimal, octal or decimal; None if it is not one.

    The last digits of a number that is too big for any part are cut off: it stays too big.
    """
    for form, radix in _NUMBERS:
        found = form.fullmatch(text)
        if found is not None:
            digits = found[1].lstrip("0")
            # 2^32 - 1 has 11 octal digits, so any number of 12 digits is too big.
            return int(digits[:12] or "0", radix)
    return None


def _ipv4(parts: list[str]) -> str:
    numbers = [number for number in map(_number, parts) if number is not None]
    if (
        len(numbers) != len(parts)
        or len(numbers) > 4
        or any(number > 255 for number in numbers[:-1])
        or numbers[-1] >= 256 ** (5 - len(numbers))
    ):
        raise ValueError("invalid IPv4 address")
    high = sum(number * 256 ** (3 - place) for place, number in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(high + numbers[-1]))


def _ipv6(text: str) -> str:
    """Return the address within brackets, compressed by the standard: without an IPv4 address at its end."""
    try:
        if not text.endswith("]") or "%" in text:
            raise ValueError
        address = ipaddress.IPv6Address(text[1:-1])
    except ValueError:
        raise ValueError("invalid IPv6 address") from None
    pieces = ":".join(f"{piece:x}" for piece in struct.unpack("!8H", address.packed))
    for length in range(8, 1, -1):
        zeros = rf"(?:\A|:)0(?::0){{{length - 1}}}(?::|\Z)"
        pieces, replaced = re.subn(zeros, "::", pieces, count=1)
        if replaced:
            break
    return pieces


def _to_ascii(domain: str) -> str:
    """The standard's "domain to ASCII", not strict."""
    labels = domain.lower().split(".")
    if domain.isascii() and not any(label.startswith(_PUNYCODE) for label in labels):
        return domain.lower()
    try:
        idna = import_module("idna")
    except ImportError as error:
        if domain.isascii():
            # Only a check is left out: idna would return a well-formed name unchanged.
            return domain.lower()
        raise RuntimeError(f"the host {domain!r} needs idna: pip install 'wsrs[idna]'") from error
    try:
        return _uts46(domain, idna)
    except ValueError as error:  # including those of idna and of the codec
        raise ValueError("invalid domain name") from error


def _uts46(domain: str, idna: Any) -> str:
    """UTS 46's ToASCII with CheckBidi and CheckJoiners; `idna.encode` obeys IDNA 2008, which refuses more."""
    import unicodedata

    unicode: list[str] = []
    for label in idna.uts46_remap(domain, std3_rules=False).split("."):
        if label.startswith(_PUNYCODE):
            decoded = label[len(_PUNYCODE) :].encode("ascii").decode("punycode")
            if decoded.isascii() or idna.uts46_remap(decoded, std3_rules=False) != decoded:
                raise ValueError
            unicode.append(decoded)
        else:
            unicode.append(label)
    has_rtl = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in "".join(unicode))
    for label in filter(None, unicode):
        idna.check_initial_combiner(label)
        if has_rtl:
            idna.check_bidi(label, check_ltr=True)
        for place, character in enumerate(label):
            if character in _JOINERS and not idna.valid_contextj(label, place):
                raise ValueError
    return ".".join(
        label if label.isascii() else _PUNYCODE + label.encode("punycode").decode("ascii")
        for label in unicode
    )
