"""Data that can be sent, where the API itself looks at it, and both cores' errors for other data."""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Iterable

__all__ = ["byte_length", "list_bytes", "reason_bytes", "unsendable"]


def unsendable(data: object) -> TypeError:
    """Return the error for data of a type that has no bytes."""
    return TypeError(
        "data must be str, int, float, bytes-like, a list or tuple of 0..255, a Blob or an object with "
        f"__bytes__ or __buffer__, not {type(data).__name__}"
    )


def list_bytes(data: Iterable[object]) -> bytes:
    """Return the bytes of a list or tuple. TypeError or ValueError names the first item that is no byte."""
    try:
        return bytes(data)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        for place, item in enumerate(data):
            _check_item(type(data).__name__, place, item)
        raise


def _check_item(kind: str, place: int, item: object) -> None:
    wanted = f"data must be a {kind} of ints from 0 to 255, not with"
    if not hasattr(type(item), "__index__"):
        shown = reprlib.repr(item) if isinstance(item, (str, bytes, float)) else "a value"
        raise TypeError(f"{wanted} {shown} of type {type(item).__name__} at index {place}")
    number = operator.index(item)  # type: ignore[arg-type]
    if not 0 <= number <= 255:
        # An int of thousands of digits is not shown: Python refuses to write it out.
        shown = str(number) if number.bit_length() <= 64 else f"an int of {number.bit_length()} bits"
        raise ValueError(f"{wanted} {shown} at index {place}")


def byte_length(data: object) -> int:
    """Return the length in bytes of `data` as a message. TypeError if it cannot be sent."""
    if isinstance(data, str):
        return len(data.encode(errors="surrogatepass"))
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return len(str(data))
    if isinstance(data, (list, tuple)):
        return len(list_bytes(data))
    try:
        with memoryview(data) as view:  # type: ignore[arg-type]
            return view.nbytes
    except TypeError:
        pass
    convert = getattr(type(data), "__bytes__", None)
    if convert is None:
        raise unsendable(data)
    return len(convert(data))


def reason_bytes(code: object, reason: object) -> bytes:
    """Return the reason of a close frame as bytes. Checks the types of both arguments."""
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise TypeError(f"a close code must be an int, not {type(code).__name__}")
    if isinstance(reason, str):
        data = reason.encode()
    elif isinstance(reason, (bytes, bytearray, memoryview)):
        data = bytes(reason)
    else:
        raise TypeError(f"a close reason must be str or bytes, not {type(reason).__name__}")
    if data and code is None:
        raise ValueError(f"a close reason needs a close code: {reason!r}")
    return data
