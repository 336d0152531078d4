"""The payload of a close frame: its code and its reason (RFC 6455 sections 5.5.1 and 7.4)."""

from __future__ import annotations

from wsrs._pure.error import fault
from wsrs._pure.frame import MAX_CONTROL_PAYLOAD

__all__ = ["is_valid_close_code", "parse_close", "write_close"]


def is_valid_close_code(code: int) -> bool:
    """Whether an endpoint may send `code`: section 7.4.1 and its registry, and 3000 to 4999 (7.4.2)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload: bytes, skip_utf8_validation: bool) -> tuple[int, bytes]:
    """Code and reason of a close frame; 1005 where it has none (section 7.1.5)."""
    if not payload:
        return 1005, b""
    code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
    if not is_valid_close_code(code):
        raise fault("INVALID_CLOSE_CODE", code)
    if not skip_utf8_validation:
        try:
            reason.decode()
        except UnicodeDecodeError:
            raise fault("INVALID_UTF8") from None
    return code, reason


def write_close(code: int | None, reason: bytes) -> bytes:
    """What a close frame carries. Raises ValueError for what must not be sent."""
    if code is None:
        if reason:
            raise ValueError("a close reason needs a close code")
        return b""
    if not is_valid_close_code(code):
        raise ValueError(f"{code} is not a close code that an endpoint may send")
    if len(reason) > MAX_CONTROL_PAYLOAD - 2:
        raise ValueError(f"a close reason must not be longer than 123 bytes, not {len(reason)}")
    return code.to_bytes(2, "big") + reason
