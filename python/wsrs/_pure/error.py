"""What a peer can do wrong: ws's codes and messages, and the close codes that answer them."""

from __future__ import annotations

from wsrs.errors import WebSocketError

__all__ = ["fault"]

_FAULTS = {
    "EXPECTED_FIN": (1002, "Invalid WebSocket frame: FIN must be set"),
    "EXPECTED_MASK": (1002, "Invalid WebSocket frame: MASK must be set"),
    "INVALID_CLOSE_CODE": (1002, "Invalid WebSocket frame: invalid status code {}"),
    "INVALID_CONTROL_PAYLOAD_LENGTH": (1002, "Invalid WebSocket frame: invalid payload length {}"),
    "INVALID_OPCODE": (1002, "Invalid WebSocket frame: invalid opcode {}"),
    "INVALID_UTF8": (1007, "Invalid WebSocket frame: invalid UTF-8 sequence"),
    "UNEXPECTED_MASK": (1002, "Invalid WebSocket frame: MASK must be clear"),
    "UNEXPECTED_RSV_1": (1002, "Invalid WebSocket frame: RSV1 must be clear"),
    "UNEXPECTED_RSV_2_3": (1002, "Invalid WebSocket frame: RSV2 and RSV3 must be clear"),
    "UNSUPPORTED_DATA_PAYLOAD_LENGTH": (1009, "Unsupported WebSocket frame: payload length > 2^53 - 1"),
    "UNSUPPORTED_MESSAGE_LENGTH": (1009, "Max payload size exceeded"),
    "TOO_MANY_BUFFERED_PARTS": (1008, "Too many {}"),
    "Z_DATA_ERROR": (1007, "{}"),
    "ERR_OUT_OF_MEMORY": (1011, "Out of memory"),
}


def fault(name: str, value: object = None) -> WebSocketError:
    """The error for a peer's fault; `name` is its code, without ws's prefix `WS_ERR_`."""
    close_code, message = _FAULTS[name]
    code = name if name in ("Z_DATA_ERROR", "ERR_OUT_OF_MEMORY") else f"WS_ERR_{name}"
    return WebSocketError(message.format(value), code=code, close_code=close_code)
