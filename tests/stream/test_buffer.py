"""The buffer of a stream, compared with plain bytes or a str under random operations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrs._stream.buffer import Buffer

TEXT = st.text(alphabet="ab\n€", max_size=12)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), TEXT.filter(bool)),
        st.tuples(st.just("take"), st.integers(1, 20)),
        st.tuples(st.just("find"), st.tuples(TEXT.filter(bool), TEXT.filter(bool), st.integers(0, 8))),
    ),
    max_size=60,
)


def first_end(plain: Any, separators: list[Any], offset: int) -> tuple[int, int] | None:
    places = [(plain.find(each, offset), each) for each in separators]
    ends = [(place + len(each), place) for place, each in places if place >= 0]
    if not ends:
        return None
    end = min(end for end, _ in ends)
    return next((place, end) for its_end, place in ends if its_end == end)


@pytest.mark.parametrize("is_text", [False, True], ids=["bytes", "str"])
@given(operations=OPERATIONS)
def test_the_buffer_behaves_like_plain_bytes_or_str(is_text: bool, operations: list[Any]) -> None:
    def of(text: str) -> Any:
        return text if is_text else text.encode()

    buffer, plain = Buffer(of("")), of("")
    for name, argument in operations:
        if name == "put":
            buffer.put(of(argument))
            plain += of(argument)
        elif name == "take":
            taken = buffer.take(argument)
            assert (type(taken), taken) == (type(plain), plain[:argument])
            plain = plain[argument:]
        else:
            *texts, offset = argument
            separators = [of(each) for each in texts]
            offset = min(offset, len(plain))
            assert buffer.find(separators, offset) == first_end(plain, separators, offset)
            starts = [len(each) for each in separators if plain.startswith(each, offset)]
            assert buffer.startswith(separators, offset) == (starts or [0])[0]
        assert buffer.size == len(buffer) == len(plain)


def test_a_lone_message_is_returned_uncopied() -> None:
    message = b"x" * 1000
    buffer = Buffer(b"")
    buffer.put(message)
    assert buffer.take(5000) is message
