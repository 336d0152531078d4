"""What a program may send, as bytes: ws's table of "data to send"."""

from __future__ import annotations

from wsrs._backend.sendable import list_bytes, unsendable

__all__ = ["to_bytes"]


def to_bytes(data: object) -> tuple[bytes, bool]:
    """`data` as bytes, and whether it is text when not told: ws's table of data to send.

    TypeError for a type that has no bytes (None and bool are no data); ValueError for text with lone
    surrogates and for a list with items outside of 0 to 255.
    """
    if isinstance(data, str):
        return data.encode(), True
    if type(data) is bytes:
        return data, False
    if data is None or isinstance(data, bool):
        raise unsendable(data)
    if isinstance(data, (int, float)):
        return str(data).encode(), True
    if isinstance(data, (list, tuple)):
        return list_bytes(data), False
    return _bytes_of_object(data), False


def _bytes_of_object(data: object) -> bytes:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        pass
    else:
        with view:
            return view.tobytes()
    if hasattr(data, "__bytes__"):
        return bytes(data)
    if hasattr(data, "__buffer__"):  # before Python 3.12, memoryview() does not know it
        return bytes(data.__buffer__(0))
    raise unsendable(data)
