"""What can be sent, where the API has to look at it itself."""

from __future__ import annotations

__all__ = ["byte_length", "check_callback", "reason_bytes"]


def byte_length(data: object) -> int:
    """How many bytes `data` is as a message; TypeError for what cannot be sent."""
    if isinstance(data, str):
        return len(data.encode(errors="surrogatepass"))
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return len(str(data))
    if isinstance(data, (list, tuple)):
        return len(bytes(data))
    try:
        with memoryview(data) as view:  # type: ignore[arg-type]
            return view.nbytes
    except TypeError:
        pass
    convert = getattr(type(data), "__bytes__", None)
    if convert is None:
        raise TypeError(f"data of type {type(data).__name__} cannot be sent")
    return len(convert(data))


def check_callback(callback: object) -> None:
    """TypeError for what is neither callable nor None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")


def reason_bytes(code: object, reason: object) -> bytes:
    """The reason of a close frame as bytes, and the types of both checked."""
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
