"""The ready states of a WebSocket, by the numbers that browsers and ws give them.

`src/bindings/api/send_method.rs` mirrors OPEN: the native `send` compares the slot `_ready_state` with it.
"""

from __future__ import annotations

__all__ = ["CLOSED", "CLOSING", "CONNECTING", "OPEN", "STATES"]

CONNECTING, OPEN, CLOSING, CLOSED = range(4)

STATES = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
"""Their names, by number."""
