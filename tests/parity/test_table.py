"""The table is complete: each name exists in both spellings, each test exists, and the page is up to date."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs import event_target
from wsrs._client.request import ClientRequest
from wsrs._options.checks import function
from wsrs._options.client import CLIENT
from wsrs._options.connection import DEFLATE, SEND
from wsrs._options.spelling import snake_case
from wsrs._options.table import OptionTable
from wsrs._server.options import SERVER
from wsrs._server.verify_client import VerifyInfo
from wsrs._stream import options as stream_options

from . import test_environment, test_error_codes
from .row import Row
from .table import PAGE, SECTIONS, known_tests, render

WS_NAMES = Path(__file__).with_name("ws_names.txt").read_text().splitlines()
"""The names in ws's documentation, by kind."""

ROWS = [(section.kind, row) for section in SECTIONS for row in section.rows]


def of_a_class(cls: type) -> Callable[[Row], bool]:
    def there(row: Row) -> bool:
        return _member(cls, row.ws) is _member(cls, row.name) is not None

    return there


def _member(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def of_a_table(table: OptionTable) -> Callable[[Row], bool]:
    return lambda row: any((each.ws_name, each.name) == (row.ws, row.name) for each in table.rows)


def of_events(cls: type) -> Callable[[Row], bool]:
    """True if the class declares the event, and listeners get it under either spelling."""

    def there(row: Row) -> bool:
        heard: list[str] = []
        emitter = wsrs.EventEmitter()
        emitter.on(row.ws, lambda: heard.append("ws")).on(row.name, lambda: heard.append("PEP 8"))
        emitter.emit(row.ws)
        emitter.emit(row.name)
        return f"'{row.ws}'" in str(cls.__doc__) and heard == 2 * ["ws", "PEP 8"]

    return there


def field_of_an_event(row: Row) -> bool:
    cls = getattr(wsrs, row.ws.partition(".")[0])
    return all(hasattr(cls, name.partition(".")[2]) for name in (row.ws, row.name))


def of_a_call(row: Row) -> bool:
    """True if both spellings are the same function, whose positional parameters are those of the row."""
    of_ws, ours = (_called(each) for each in (row.ws, row.name))
    by_place = [
        each.name
        for each in inspect.signature(ours).parameters.values()
        if each.name != "self" and each.kind not in (each.KEYWORD_ONLY, each.VAR_KEYWORD)
    ]
    return of_ws is ours and by_place == _parameters(row.name)


def _called(call: str) -> Any:
    found: Any = wsrs
    for name in call.partition("(")[0].split("."):
        found = getattr(found, name)
    return found


def _parameters(call: str) -> list[str]:
    inside = call.partition("(")[2].rstrip(")")
    return inside.split(", ") if inside else []


def of_a_hook(row: Row) -> bool:
    """True if there is such an option and it is a function."""
    pair = row.ws.partition("(")[0], row.name.partition("(")[0]
    rows = [*SERVER.rows, *CLIENT.rows]
    return any((each.ws_name, each.name) == pair and each.check is function for each in rows)


def of_listeners(cls: type) -> Callable[[Row], bool]:
    """True if the class declares that its listeners get so many arguments."""

    def there(row: Row) -> bool:
        event, _, given = row.ws.rstrip(")").partition("(")
        said = re.search(rf"`'{event}'`(?: \(([^)]*)\))?", " ".join(str(cls.__doc__).split()))
        return said is not None and len(_parameters(f"({said[1] or ''})")) == len(_parameters(f"({given})"))

    return there


LOOKUPS: dict[str, Callable[[Row], bool]] = {
    "class": lambda row: isinstance(getattr(wsrs, row.ws), type) and row.name in wsrs.__all__,
    "constant": lambda row: getattr(wsrs.WebSocket, row.ws) == getattr(wsrs, row.name),
    "class property": lambda row: getattr(wsrs.WebSocket, row.ws) is getattr(wsrs, row.name),
    "function": lambda row: getattr(wsrs, row.ws) is getattr(wsrs, row.name),
    "argument": lambda row: row.ws == row.name,
    "call": of_a_call,
    "hook": of_a_hook,
    "given by a server": of_listeners(wsrs.WebSocketServer),
    "given by a websocket": of_listeners(wsrs.WebSocket),
    "request member": of_a_class(ClientRequest),
    "server option": of_a_table(SERVER),
    "client option": of_a_table(CLIENT),
    "deflate option": of_a_table(DEFLATE),
    "send option": of_a_table(SEND),
    "listener option": of_a_table(event_target._OPTIONS),
    "stream option": of_a_table(stream_options.STREAM),
    "server event": of_events(wsrs.WebSocketServer),
    "websocket event": of_events(wsrs.WebSocket),
    "server member": of_a_class(wsrs.WebSocketServer),
    "websocket member": of_a_class(wsrs.WebSocket),
    "verify info": lambda row: row.ws == row.name and row.name in VerifyInfo(None, False, None),
    "event object": lambda row: issubclass(getattr(wsrs, row.ws), wsrs.Event) and row.ws == row.name,
    "event field": field_of_an_event,
    "environment": lambda row: row.ws == row.name and row.name in test_environment.WISHES,
    "error code": lambda row: row.name in {
        each[0] for each in (*test_error_codes.OF_A_CLIENT, *test_error_codes.OF_A_SERVER)
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{kind}: {row.ws}" for kind, row in ROWS])
class TestEachName:
    def test_is_there_in_both_spellings(self, kind: str, row: Row) -> None:
        assert LOOKUPS[kind](row), f"{kind} {row.ws}, {row.name}"
        if "(" in row.ws:
            return
        plain = snake_case(row.ws.replace("-", "_"))
        is_class = row.ws[0].isupper() and kind != "server option"
        if not is_class and row.ws != "createWebSocketStream":
            assert row.name == plain.replace("web_socket_stream", "websocket_stream")

    def test_has_a_test_on_live_sockets(self, kind: str, row: Row) -> None:
        assert row.tests, row.ws
        for test in row.tests:
            found = known_tests().get(test, [])
            assert len(found) == 1, f"{row.ws}: {test} is found {len(found)} times"
            assert found[0][1], f"{row.ws}: {test} is no coroutine function: it cannot talk to a socket"


@pytest.mark.parametrize("line", WS_NAMES, ids=[line.partition(":")[0] for line in WS_NAMES])
def test_every_name_of_ws_is_there(line: str) -> None:
    kind, _, names = line.partition(": ")
    known = {row.ws for each, row in ROWS if each == kind}
    assert set(names.split(", " if "(" in names else None)) <= known


def test_no_name_is_there_twice() -> None:
    for section in SECTIONS:
        names = [row.ws for row in section.rows]
        assert len(set(names)) == len(names), section.title


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (SERVER, "server option"),
        (CLIENT, "client option"),
        (SEND, "send option"),
        (DEFLATE, "deflate option"),
        (event_target._OPTIONS, "listener option"),
        (stream_options.STREAM, "stream option"),
    ],
)
def test_no_option_of_ours_is_missing(table: OptionTable, kind: str) -> None:
    assert {row.ws_name for row in table.rows} == {row.ws for each, row in ROWS if each == kind}


BEYOND_WS = {"droppedMessages"}
"""Members that ws does not have, but that have both spellings too."""


def test_no_alias_of_ours_is_missing() -> None:
    """The table has every ws spelling of a member, except those of Node's EventEmitter, which ws inherits."""
    for cls, kind in ((wsrs.WebSocketServer, "server member"), (wsrs.WebSocket, "websocket member")):
        aliases = set(cls._spellings) - set(wsrs.EventEmitter._spellings) - BEYOND_WS
        assert aliases <= {row.ws for each, row in ROWS if each == kind}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "docs/parity.md is old: run `make docs`"
    assert not re.search(r"\|\s*\|$", PAGE.read_text(), re.MULTILINE)
