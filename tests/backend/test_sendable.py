"""Which objects can be sent and how long they are; the errors for all others."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs._backend.sendable import byte_length, list_bytes, reason_bytes, unsendable


class WithBytes:
    def __bytes__(self) -> bytes:
        return b"abc"


@pytest.mark.parametrize(
    ("data", "length"),
    [
        ("", 0),
        ("aé", 3),
        ("\ud800", 3),
        (17, 2),
        (-0.5, 4),
        (b"ab", 2),
        (memoryview(b"abcd")[::2], 2),
        ([1, 2, 255], 3),
        ((), 0),
        (WithBytes(), 3),
    ],
)
def test_the_length_of_a_message(data: Any, length: int) -> None:
    assert byte_length(data) == length


@pytest.mark.parametrize("data", [None, True, {}, object(), 1j])
def test_data_that_cannot_be_sent_is_named_by_its_type(data: Any) -> None:
    with pytest.raises(TypeError) as raised:
        byte_length(data)
    assert str(raised.value) == str(unsendable(data))
    assert str(raised.value).endswith(f"not {type(data).__name__}")


def test_a_list_becomes_bytes_or_the_error_names_the_first_bad_item() -> None:
    assert list_bytes([0, 255]) == b"\x00\xff"
    with pytest.raises(ValueError, match="not with 256 at index 1"):
        list_bytes([1, 256, -1])
    with pytest.raises(TypeError, match=r"a tuple .* not with 'a' of type str at index 0"):
        list_bytes(("a",))


def test_a_close_reason_becomes_bytes_and_needs_a_code() -> None:
    assert reason_bytes(1000, "é") == "é".encode()
    assert reason_bytes(None, b"") == b""
    assert reason_bytes(4000, memoryview(b"bye")) == b"bye"
    with pytest.raises(ValueError, match="a close reason needs a close code: 'bye'"):
        reason_bytes(None, "bye")
    with pytest.raises(TypeError, match="a close code must be an int, not bool"):
        reason_bytes(True, "")
    with pytest.raises(TypeError, match="a close reason must be str or bytes, not int"):
        reason_bytes(1000, 5)
