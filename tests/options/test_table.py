"""The tables of options: both spellings, times, mistakes, and the types for type checkers."""

from __future__ import annotations

from typing import Any

import pytest

from wsrs._options.checks import duration
from wsrs._options.client import CLIENT
from wsrs._options.connection import DEFLATE, SEND, ZLIB_DEFLATE, ZLIB_INFLATE
from wsrs._options.spelling import snake_case
from wsrs._options.table import Option, OptionTable
from wsrs._server.options import SERVER
from wsrs._stream import options as stream_options
from wsrs._typing import options as option_types
from wsrs.http._options import HTTP_SERVER, LISTEN
from wsrs.uvicorn import _OPTIONS as UVICORN


def _inherited(types: Any) -> set[str]:
    return {
        name for base in getattr(types, "__orig_bases__", ()) for name in getattr(base, "__annotations__", {})
    }


class TestOptionTables:
    @pytest.mark.parametrize(
        "table",
        [
            SERVER,
            CLIENT,
            DEFLATE,
            ZLIB_DEFLATE,
            ZLIB_INFLATE,
            SEND,
            HTTP_SERVER,
            LISTEN,
            stream_options.STREAM,
        ],
    )
    def test_both_spellings_name_the_same_option(self, table: OptionTable) -> None:
        for row in table.rows:
            assert snake_case(row.ws_name) == row.name
            assert {row.name, row.ws_name} <= table.names

    @pytest.mark.parametrize(
        ("table", "types"),
        [
            (SERVER, option_types.ServerOptions),
            (CLIENT, option_types.ClientOptions),
            (HTTP_SERVER, option_types.HttpServerOptions),
            (UVICORN, option_types.UvicornOptions),
            (LISTEN, option_types.ListenOptions),
            (DEFLATE, option_types.DeflateOptions),
            (SEND, option_types.SendOptions),
            (stream_options.STREAM, stream_options.StreamOptions),
        ],
    )
    def test_type_checkers_know_exactly_the_options_of_the_tables(
        self, table: OptionTable, types: Any
    ) -> None:
        assert set(types.__annotations__) | _inherited(types) == table.names

    def test_times_are_seconds_by_pep8_and_milliseconds_by_ws(self) -> None:
        table = OptionTable("T", [Option("a_time", "aTime", duration, 7.0, time=True)])
        assert table.resolve({"aTime": 1500})["a_time"] == 1.5
        assert table.resolve(None, {"a_time": 1500})["a_time"] == 1500
        assert table.resolve({"a_time": None}) == {"a_time": 7.0}
        assert table.resolve({"aTime": 1}).given == {"a_time"}

    def test_mistakes_in_a_mapping_of_options_are_named(self) -> None:
        with pytest.raises(TypeError, match="T: options must be a mapping, not int"):
            OptionTable("T", []).resolve(5)
        with pytest.raises(TypeError, match=r"T: unknown option 'x'$"):
            OptionTable("T", []).resolve({"x": 1})
