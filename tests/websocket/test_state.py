"""The ready states: each has the same number everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import wsrs
from wsrs._websocket import state

SEND = Path(__file__).parents[2] / "src" / "bindings" / "api" / "send_method.rs"


def test_the_ready_states_have_the_numbers_of_browsers() -> None:
    for number, name in enumerate(("CONNECTING", "OPEN", "CLOSING", "CLOSED")):
        assert state.STATES[number] == name
        assert getattr(state, name) == getattr(wsrs, name) == getattr(wsrs.WebSocket, name) == number


def test_the_native_send_uses_the_same_number_for_open() -> None:
    (mirrored,) = re.findall(r"^const OPEN: i32 = (\d+);$", SEND.read_text(encoding="utf-8"), re.MULTILINE)
    assert int(mirrored) == state.OPEN
