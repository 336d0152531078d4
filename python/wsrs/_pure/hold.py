"""Why nothing is delivered now: bits of a connection's `_hold`, plain ints because every message checks them.

| reason | set by | cleared by |
| --- | --- | --- |
| `NOT_STARTED` | the beginning | `start` |
| `PAUSED` | `pause` | `resume`; the loss of the transport |
| `STALLED` | a full inbox | the last message being taken; `discard` |
| `NEXT_TICK` | an event, without `allow_synchronous_events` | the next tick |
| `INFLATING` | a message that a thread inflates | its end |
| `NEXT_SLICE` | the end of the time slice, while more could be delivered | the next slice |
| `CONCLUDED` | a close frame, a fault, `abort` | nothing |
"""

from __future__ import annotations

__all__ = [
    "AWAITS_DELIVERY",
    "CONCLUDED",
    "INFLATING",
    "NEXT_SLICE",
    "NEXT_TICK",
    "NOT_STARTED",
    "PAUSED",
    "READ_AHEAD",
    "STALLED",
]

NOT_STARTED, PAUSED, STALLED, NEXT_TICK, INFLATING, CONCLUDED, NEXT_SLICE = 1, 2, 4, 8, 16, 32, 64

AWAITS_DELIVERY = NOT_STARTED | NEXT_TICK | NEXT_SLICE | PAUSED | INFLATING
"""What was received is still to be delivered, so the owner is not notified of the end yet."""

READ_AHEAD = 64 * 1024
"""Bytes read ahead of `start`, and while each event waits for its tick or a thread inflates."""
