"""The checks of values: each type and bound, by its error message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs._options import checks

from ..conftest import Reports


async def test_the_path_of_a_unix_socket_must_be_a_path(reports: Reports) -> None:
    with pytest.raises(TypeError, match="unix must be a str or a path, not bytes"):
        wsrs.WebSocketServer(unix=b"/x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "value", "error", "text"),
    [
        (checks.boolean, 1, TypeError, "x must be a bool, not int"),
        (checks.integer(1, 3), 4, ValueError, "x must be 1 to 3, not 4"),
        (checks.integer(1), 0, ValueError, "x must be at least 1, not 0"),
        (checks.integer(0), True, TypeError, "x must be an int, not bool"),
        (checks.duration, float("inf"), ValueError, "x must be finite and not negative, not inf"),
        (checks.one_of("a", "b"), "c", ValueError, "x must be one of a, b, not 'c'"),
        (checks.function, "f", TypeError, "x must be callable, not str"),
        (checks.text, "a\r\nb", ValueError, "x must not contain control characters"),
        (checks.path, 5, TypeError, "x must be a str or a path, not int"),
        (checks.protocol_list, {"a": 1}, TypeError, "x must be a str or an iterable of str, not dict"),
        (checks.protocol_list, ["a", 1], TypeError, "x: each must be a str, not int"),
        (checks.heartbeat, (1, 2, 3), ValueError, "x must be a number or"),
    ],
)
def test_each_check_names_what_is_wrong(check: Any, value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        check("x", value)


@pytest.mark.parametrize(
    ("check", "value", "result"),
    [
        (checks.integer(1, 3), 3, 3),
        (checks.duration, 0, 0),
        (checks.heartbeat, 0, None),
        (checks.heartbeat, 5, (5, 5)),
        (checks.heartbeat, (5, 9), (5, 9)),
        (checks.path, Path("/a"), "/a"),
        (checks.protocol_list, "a", ["a"]),
        (checks.protocol_list, {"a"}, ["a"]),
    ],
)
def test_each_check_returns_the_converted_value(check: Any, value: Any, result: Any) -> None:
    assert check("x", value) == result
