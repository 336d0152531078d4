"""The negotiation of permessage-deflate and subprotocols, and the grammar of both headers."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

Options = dict[str, Any]
NONE = "None of the extension offers can be accepted"


@pytest.mark.parametrize(
    ("options", "offer"),
    [
        ({}, "permessage-deflate; client_max_window_bits"),
        ({"client_max_window_bits": True}, "permessage-deflate; client_max_window_bits"),
        ({"client_max_window_bits": False}, "permessage-deflate"),
        ({"client_max_window_bits": False, "server_max_window_bits": False}, "permessage-deflate"),
        ({"client_max_window_bits": 10}, "permessage-deflate; client_max_window_bits=10"),
        (
            {"server_no_context_takeover": True, "client_no_context_takeover": True, "server_max_window_bits": 11},
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; client_max_window_bits",
        ),
        ({"server_no_context_takeover": False, "client_no_context_takeover": False, "client_max_window_bits": False}, "permessage-deflate"),
    ],
)  # fmt: skip
def test_a_client_offers_what_its_options_say(core: Any, options: Options, offer: str) -> None:
    deflate = core.PerMessageDeflate(is_server=False, **options)
    assert deflate.offer() == offer
    assert deflate.params == {}


def negotiate(core: Any, is_server: bool, options: Options, header: str) -> tuple[str, Options]:
    deflate = core.PerMessageDeflate(is_server=is_server, **options)
    answer = deflate.accept([params for _, params in core.parse_extensions(header)])
    return answer, deflate.params


SERVER: list[tuple[Options, str, str]] = [
    ({}, "", ""),
    ({}, "; client_max_window_bits", ""),
    ({}, "; client_max_window_bits=12", "; client_max_window_bits=12"),
    ({}, "; server_max_window_bits=10", "; server_max_window_bits=10"),
    ({}, '; server_max_window_bits="10"', "; server_max_window_bits=10"),
    ({}, "; server_no_context_takeover; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover"),
    ({"server_no_context_takeover": True, "client_no_context_takeover": True}, "", "; server_no_context_takeover; client_no_context_takeover"),
    ({"server_max_window_bits": 11}, "", "; server_max_window_bits=11"),
    ({"server_max_window_bits": 11}, "; server_max_window_bits=12", "; server_max_window_bits=11"),
    ({"client_max_window_bits": 11}, "; client_max_window_bits", "; client_max_window_bits=11"),
    ({"client_max_window_bits": False}, "; client_max_window_bits=12", ""),
    ({"server_max_window_bits": False}, "; server_max_window_bits=12, permessage-deflate", ""),
    ({"server_max_window_bits": True}, "; server_max_window_bits=12", "; server_max_window_bits=12"),
    ({"server_no_context_takeover": False}, "; server_no_context_takeover, permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "offer", "answer"), SERVER)
def test_a_server_accepts_the_first_offer_that_it_can(
    core: Any, options: Options, offer: str, answer: str
) -> None:
    got, params = negotiate(core, True, options, f"permessage-deflate{offer}")
    assert got == f"permessage-deflate{answer}"
    formatted = "".join(
        f"; {name}" if value is True else f"; {name}={value}" for name, value in params.items()
    )
    assert formatted == answer


@pytest.mark.parametrize(
    ("options", "offer", "message"),
    [
        ({"server_no_context_takeover": False}, "server_no_context_takeover", NONE),
        ({"server_max_window_bits": 11}, "server_max_window_bits=10", NONE),
        ({"server_max_window_bits": False}, "server_max_window_bits=10", NONE),
        ({"client_max_window_bits": 11}, "server_max_window_bits=10", NONE),
        ({}, "foo", 'Unknown parameter "foo"'),
        ({}, "server_max_window_bits", 'Invalid value for parameter "server_max_window_bits": true'),
        ({}, "server_max_window_bits=7", 'Invalid value for parameter "server_max_window_bits": 7'),
        ({}, "server_max_window_bits=16", 'Invalid value for parameter "server_max_window_bits": 16'),
        ({}, "server_max_window_bits=010", 'Invalid value for parameter "server_max_window_bits": 010'),
        ({}, "client_max_window_bits=x", 'Invalid value for parameter "client_max_window_bits": x'),
        ({}, "server_no_context_takeover=1", 'Invalid value for parameter "server_no_context_takeover": 1'),
        ({}, "client_no_context_takeover; client_no_context_takeover", 'Parameter "client_no_context_takeover" must have only a single value'),
    ],
)  # fmt: skip
def test_a_server_refuses_bad_offers(core: Any, options: Options, offer: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        negotiate(core, True, options, f"permessage-deflate; {offer}")
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "answer", "params"),
    [
        ({}, "", {}),
        ({}, "; client_max_window_bits=9", {"client_max_window_bits": 9}),
        ({"client_max_window_bits": 12}, "", {"client_max_window_bits": 12}),
        ({"client_max_window_bits": 12}, "; client_max_window_bits=10", {"client_max_window_bits": 10}),
        ({}, "; server_no_context_takeover; server_max_window_bits=9", {"server_no_context_takeover": True, "server_max_window_bits": 9}),
        ({}, "; client_no_context_takeover", {"client_no_context_takeover": True}),
        ({"server_max_window_bits": 10}, "; server_max_window_bits=9", {"server_max_window_bits": 9}),
        ({"server_max_window_bits": 10}, "", {}),
        ({"server_max_window_bits": False}, "; server_max_window_bits=9", {"server_max_window_bits": 9}),
        ({"server_no_context_takeover": True}, "", {}),
    ],
)  # fmt: skip
def test_a_client_accepts_good_answers(core: Any, options: Options, answer: str, params: Options) -> None:
    assert negotiate(core, False, options, f"permessage-deflate{answer}")[1] == params


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        ({"client_no_context_takeover": False}, "client_no_context_takeover", 'Unexpected parameter "client_no_context_takeover"'),
        ({"client_max_window_bits": False}, "client_max_window_bits=10", 'Unexpected or invalid parameter "client_max_window_bits"'),
        ({"client_max_window_bits": 10}, "client_max_window_bits=11", 'Unexpected or invalid parameter "client_max_window_bits"'),
        ({"server_max_window_bits": 10}, "server_max_window_bits=11", 'Unexpected or invalid parameter "server_max_window_bits"'),
        ({}, "client_max_window_bits", 'Invalid value for parameter "client_max_window_bits": true'),
        ({}, "bar=1", 'Unknown parameter "bar"'),
    ],
)  # fmt: skip
def test_a_client_refuses_bad_answers(core: Any, options: Options, answer: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        negotiate(core, False, options, f"permessage-deflate; {answer}")
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "options",
    [{"server_max_window_bits": 7}, {"client_max_window_bits": 16}, {"level": 10}, {"level": -2}, {"mem_level": 0}, {"strategy": 5}],
)  # fmt: skip
def test_options_out_of_range_are_named(core: Any, options: Options) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} must be from"):
        core.PerMessageDeflate(is_server=True, **options)


def test_a_connection_needs_an_accepted_negotiation(core: Any, loop: Any) -> None:
    with pytest.raises(RuntimeError, match="not negotiated"):
        core.Connection(loop=loop, owner=None, is_server=True, deflate=core.PerMessageDeflate(is_server=True))


# Grammar --------------------------------------------------------------------------------------


def test_extensions_keep_order_and_repetitions(core: Any) -> None:
    parsed = core.parse_extensions('foo;bar=1; bar="2"; baz , foo\t;q="a\\b"')
    assert parsed == [("foo", {"bar": ["1", "2"], "baz": [True]}), ("foo", {"q": ["ab"]})]


END = "Unexpected end of input"


def at(place: int) -> str:
    return f"Unexpected character at index {place}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", END),
        ("foo,", END),
        (",foo", at(0)),
        ("foo;", END),
        ("foo;;bar", at(4)),
        ("foo bar", at(4)),
        ("foo;bar=", END),
        ('foo;bar="', END),
        ('foo;bar=""', at(9)),
        ('foo;bar="a b"', at(10)),
        ('foo;bar="a\\', END),
        ('foo;bar="a"b', at(11)),
        ("föo", at(1)),
        ("foo\x00", at(3)),
    ],
)
def test_the_error_of_a_bad_extension_header_names_the_index(core: Any, value: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        core.parse_extensions(value)
    assert str(raised.value) == message


def test_subprotocols(core: Any) -> None:
    assert core.parse_subprotocols("chat") == ["chat"]
    assert core.parse_subprotocols("b , a,\tc ") == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", END),
        ("a,", END),
        (",a", at(0)),
        ("a,,b", at(2)),
        ("a b", at(1)),
        ("a, b;c", at(4)),
        ("a,b,a", 'The "a" subprotocol is duplicated'),
    ],
)
def test_bad_subprotocols_are_refused(core: Any, value: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        core.parse_subprotocols(value)
    assert str(raised.value) == message


@pytest.mark.parametrize("unit", [" ", ",", ";", "\\", '"', "a,", "a;", "a=", 'a;b="\\', "a;b=\t"])
def test_hostile_values_take_linear_time(core: Any, unit: str) -> None:
    def seconds(size: int) -> float:
        value = f"x{unit * (size // len(unit))}"
        best = 1e9
        for _ in range(3):
            begin = time.thread_time()
            for parse in (core.parse_extensions, core.parse_subprotocols):
                with contextlib.suppress(ValueError):
                    parse(value)
            best = min(best, time.thread_time() - begin)
        return best

    assert seconds(64 * 1024) < 40 * seconds(4 * 1024) + 0.01


def test_tokens_have_the_characters_of_rfc_7230(core: Any) -> None:
    allowed = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert core.is_token(allowed)
    assert [chr(code) for code in range(256) if core.is_token(chr(code))] == sorted(allowed)
    assert not core.is_token("")
    assert not core.is_token("a\n")


def test_the_valid_close_codes_are_those_of_rfc_6455(core: Any) -> None:
    valid = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
    assert {code for code in range(-1, 70_000) if core.is_valid_close_code(code)} == valid
