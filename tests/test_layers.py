"""Imports point down the layers, private names stay in their room, and each source has a test of its name.

`layers.py` reads the sources; this file has the rules and the exceptions to them, each with its reason. An
exception that is no longer needed is an error as well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .layers import (
    LAZY,
    PLAIN,
    TYPES,
    Import,
    Use,
    cycles,
    defines,
    imports,
    missing_tests,
    private_uses,
    read_package,
    rust_imports,
    too_long,
    unguarded_uses,
    unlisted,
    upward,
)

ROOT = Path(__file__).parents[1]
SOURCES = read_package(ROOT / "python" / "wsrs")
IMPORTS = imports(SOURCES)

LAYERS = (
    "errors blob | _backend | _aio | _pure _core | _active_core | _net | _options | events event_target"
    " | http | _websocket | _client | websocket | _server _stream | server stream | _asgi"
    " | aiohttp uvicorn typing _typing | __init__"
)
"""The layers, lowest first. `aiohttp` and `uvicorn` are the integrations."""

Reasons = dict[str, tuple[str, ...]]
"""Exceptions: a reason, and what it allows."""

UPWARD: Reasons = {
    "The types of options and listeners name classes of all layers, and are for type checkers alone": (
        "http._server -> _typing.listeners types",
        "http._server -> _typing.options types",
        "_websocket.lifecycle -> _typing.options types",
        "websocket -> _typing.listeners types",
        "websocket -> _typing.options types",
        "_server.broadcast -> _typing.options types",
        "server -> _typing.listeners types",
        "server -> _typing.options types",
    ),
    "An error has the answer that caused it": ("errors -> http.__init__ types",),
    "A part gets the object that it belongs to": (
        "_server.handshake -> server types",
        "_server.http_side -> server types",
        "_stream.transport -> stream types",
        "_websocket.lifecycle -> _client.handshake types",
        "_websocket.opening -> websocket types",
    ),
    "`wsrs.__init__` makes the other classes attributes of `WebSocket`, as in ws": (
        "websocket -> server types",
        "websocket -> _stream.options types",
        "websocket -> stream types",
    ),
    "Only code that uses an integration imports it, because its framework may be absent": (
        "server -> aiohttp lazy",
    ),
}

PRIVATE: Reasons = {
    "Of classes, whose members `link_spellings` keeps together": ("_options.spelling vars",),
}

UNTESTED: Reasons = {
    "Protocols without a body: tests/typing/backends.py checks both cores against them": (
        "_backend.contract",
    ),
    "For type checkers alone, which tests/typing runs": (
        "_typing.listeners",
        "_typing.options",
        "typing",
    ),
    "The Rust core's stub, which stubtest compares with the binary": ("_core",),
    "Does something on Python 3.10 alone; tests/server/test_tls.py runs it there": ("_aio.tls_before_311",),
    "Both cores are tested through one seam, by subject: tests/core": (
        "_pure.close",
        "_pure.compress_queue",
        "_pure.connection",
        "_pure.counters",
        "_pure.error",
        "_pure.extension",
        "_pure.frame",
        "_pure.hold",
        "_pure.http",
        "_pure.message",
        "_pure.payload",
        "_pure.per_message_deflate",
        "_pure.random",
        "_pure.send_args",
        "_pure.subprotocol",
    ),
}

HOMES = {"_pure": "core", "event_target": "events"}
"""Folders of tests whose name differs from their source's room."""

LONG: Reasons = {
    "One class: everything that ws does in WebSocket is a member of it": ("python/wsrs/websocket.py",),
    "Long messages in four kinds of situation, on the one pair of ends that the file makes": (
        "tests/websocket/test_long_messages.py",
    ),
}


def listed(reasons: Reasons) -> list[str]:
    return [each for allowed in reasons.values() for each in allowed]


def short(module: str) -> str:
    return module.removeprefix("wsrs.")


class TestSources:
    def test_imports_point_down(self) -> None:
        found = [f"{short(a)} -> {short(b)} {kind}" for a, b, kind in upward(IMPORTS, LAYERS)]
        assert unlisted(found, listed(UPWARD)) == ([], [])
        assert not [each for each in listed(UPWARD) if each.endswith(PLAIN)]

    def test_there_is_no_ring_of_imports_at_run_time(self) -> None:
        assert cycles(IMPORTS) == []

    def test_packages_of_private_parts_import_nothing(self) -> None:
        packages = {name for name in SOURCES if name.endswith(".__init__")}
        busy = {source for source, *_ in IMPORTS} & packages
        assert busy == {"wsrs.__init__", "wsrs.http.__init__", "wsrs._pure.__init__"}

    def test_private_names_stay_in_their_rooms(self) -> None:
        found = [f"{short(module)} {name}" for module, name in private_uses(SOURCES)]
        assert unlisted(found, listed(PRIVATE)) == ([], [])

    def test_every_name_that_rust_imports_exists(self) -> None:
        found = {
            each
            for path in (ROOT / "src").rglob("*.rs")
            for each in rust_imports(path.read_text(encoding="utf-8"))
        }
        assert len(found) > 5
        for module, name in found - {("wsrs._core", None)}:
            assert name is not None, f"what of {module}?"
            assert defines(SOURCES, module, name), f"{module}.{name}"

    def test_what_only_unix_has_is_used_there_alone(self) -> None:
        files = {
            path.relative_to(ROOT / "src").as_posix(): path.read_text(encoding="utf-8")
            for path in (ROOT / "src").rglob("*.rs")
        }
        assert unguarded_uses(files) == set()

    def test_each_has_a_test_of_its_name(self) -> None:
        tests = [path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
        found = [short(module) for module in missing_tests(SOURCES, tests, HOMES)]
        assert unlisted(found, listed(UNTESTED)) == ([], [])

    def test_files_stay_small(self) -> None:
        files = [
            path
            for folder, pattern in (("python", "*.py"), ("tests", "*.py"), ("src", "*.rs"))
            for path in sorted((ROOT / folder).rglob(pattern))
        ]
        assert unlisted(too_long(files, ROOT), listed(LONG)) == ([], [])


class TestChecks:
    """The checks find what they look for, in small sources."""

    def test_each_kind_of_import(self) -> None:
        found = imports(
            {
                "wsrs.__init__": "import wsrs.low",
                "wsrs.low": "",
                "wsrs.http.__init__": "from wsrs.http._a import A",
                "wsrs.http._a": "import os\nfrom wsrs.low import x as y",
                "wsrs.up": """
from typing import TYPE_CHECKING
from wsrs import http
if TYPE_CHECKING:
    from wsrs.http import A
else:
    import wsrs.low
def f():
    from wsrs.http._a import A
class C:
    async def g(self):
        import importlib
        importlib.import_module("wsrs.low")
""",
            }
        )
        assert found == [
            ("wsrs.__init__", "wsrs.low", PLAIN),
            ("wsrs.http.__init__", "wsrs.http._a", PLAIN),
            ("wsrs.http._a", "wsrs.low", PLAIN),
            ("wsrs.up", "wsrs.http.__init__", PLAIN),
            ("wsrs.up", "wsrs.http.__init__", TYPES),
            ("wsrs.up", "wsrs.low", PLAIN),
            ("wsrs.up", "wsrs.http._a", LAZY),
            ("wsrs.up", "wsrs.low", LAZY),
        ]
        with pytest.raises(ValueError, match="line 1: modules of wsrs are imported by their whole names"):
            imports({"wsrs.a": "from . import b"})

    def test_uses_of_modules_that_only_unix_has(self) -> None:
        files = {
            "lib.rs": '#[cfg(all(feature = "b", unix))]\npub mod b;\nmod a;',
            "a/mod.rs": "#[cfg(unix)]\npub mod low;\nmod up;\nmod side;",
            "a/low.rs": "use crate::a::low::own;",
            "b/mod.rs": "use crate::b::c;",
            "a/up.rs": "use crate::a::low::{self, Thing};\n#[cfg(unix)]\nuse crate::a::low::Other;",
            "a/side.rs": "use crate::a::lower;\nuse crate::b;",
        }
        assert unguarded_uses(files) == {("a/up.rs", "crate::a::low"), ("a/side.rs", "crate::b")}

    @pytest.mark.parametrize("kind", [PLAIN, LAZY, TYPES])
    def test_an_import_upwards_is_found(self, kind: str) -> None:
        up, down = Import("wsrs._low.a", "wsrs.high", kind), Import("wsrs.high", "wsrs._low.a", kind)
        beside = Import("wsrs.high", "wsrs.other", kind)
        assert upward([up, down, beside], "_low | high other") == [up]

    def test_a_module_of_no_layer(self) -> None:
        with pytest.raises(KeyError, match="new"):
            upward([Import("wsrs.new", "wsrs.high", PLAIN)], "high")

    def test_rings_at_run_time(self) -> None:
        ring = [Import("wsrs.a", "wsrs.b", PLAIN), Import("wsrs.b", "wsrs.c", LAZY)]
        assert cycles([*ring, Import("wsrs.c", "wsrs.a", TYPES)]) == []
        assert cycles([*ring, Import("wsrs.c", "wsrs.a", LAZY)]) == [["wsrs.a", "wsrs.b", "wsrs.c"]]

    def test_a_ring_by_the_package_of_a_module(self) -> None:
        inside = Import("wsrs.http.__init__", "wsrs.a", PLAIN)
        assert cycles([inside, Import("wsrs.a", "wsrs.http._b", PLAIN)]) == [["wsrs.a", "wsrs.http.__init__"]]

    @pytest.mark.parametrize(
        "line",
        [
            "thing._hidden",
            "thing._hidden = 1",
            "self.thing._hidden()",
            "getattr(thing, '_hidden')",
            "setattr(thing, '_hidden', 1)",
            "from wsrs._owner.a import _hidden",
        ],
    )
    def test_a_private_name_of_another_room(self, line: str) -> None:
        owner = {"wsrs._owner.a": "class A:\n    def __init__(self):\n        self._hidden = _hidden = 1"}
        assert private_uses({**owner, "wsrs.user": line}) == [Use("wsrs.user", "_hidden")]
        assert private_uses({**owner, "wsrs.owner": line}) == []
        assert private_uses({**owner, "wsrs.user": line, "wsrs._user.b": "def _hidden(): ..."}) == (
            [Use("wsrs.user", "_hidden")] if "import" in line else []
        )

    def test_a_private_name_of_a_slot_or_a_class(self) -> None:
        owner = {"wsrs.a": "class A:\n    __slots__ = ('_one',)\n    _two: int\n    def _three(self): ..."}
        user = {"wsrs.b": "a._one\na._two\na._three()\na._unknown\nself._one\nsuper()._two"}
        assert [use.name for use in private_uses({**owner, **user})] == ["_one", "_two", "_three"]

    def test_a_private_name_of_both_rooms_belongs_to_the_owner_of_a_known_object(self) -> None:
        sources = {
            "wsrs.websocket": "self._loop = 1",
            "wsrs.stream": "self._loop = 1\nself._ws._loop\nx._loop",
        }
        assert private_uses(sources) == [Use("wsrs.stream", "_loop")]

    @pytest.mark.parametrize(("line", "name"), [("vars(a)['b'] = 1", "vars"), ("a.__dict__", "__dict__")])
    def test_the_attributes_of_an_object_as_a_dict(self, line: str, name: str) -> None:
        assert private_uses({"wsrs.a": line}) == [Use("wsrs.a", name)]

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ('py.import("wsrs.m")?.getattr("A")?', {("wsrs.m", "A")}),
            ('py.import(intern!(py, "wsrs.m"))?\n    .getattr(intern!(py, "A"))?', {("wsrs.m", "A")}),
            ('BIND.import(value.py(), "wsrs._f.m", "a")?', {("wsrs._f.m", "a")}),
            ('let m = py.import("wsrs.m")?;\nm.call_method1(intern!(py, "a"), ())', {("wsrs.m", "a")}),
            (
                'fn raise(class: &\'static str) { py.import("wsrs.m")?.getattr(class)? }\n'
                'raise("A"); raise("B")',
                {("wsrs.m", "A"), ("wsrs.m", "B")},
            ),
            ('py.import("wsrs.m")?;', {("wsrs.m", None)}),
            ('const M: &str = "wsrs.m";', {("wsrs.m", None)}),
            ('// See "wsrs.m".\npy.import("asyncio")?.getattr("Task")', set()),
        ],
    )
    def test_the_imports_of_a_rust_file_are_read(self, text: str, found: set[tuple[str, str | None]]) -> None:
        assert rust_imports(text) == found

    def test_the_definitions_of_a_module_are_read(self) -> None:
        sources = {"wsrs.m": "from a import b as c\nclass A: ...\nx = y = 1\ndef f(): z = 1"}
        assert [defines(sources, "wsrs.m", name) for name in ["A", "x", "y", "f", "c"]] == [True] * 5
        assert [defines(sources, "wsrs.m", name) for name in ["b", "z"]] == [False] * 2
        assert not defines(sources, "wsrs.gone", "A")

    def test_a_source_without_a_test(self) -> None:
        sources = [
            "wsrs._client.request",
            "wsrs.http._body",
            "wsrs.blob",
            "wsrs._pure.a",
            "wsrs.http.__init__",
        ]
        assert missing_tests(sources, [], {}) == sources[:4]
        there = ["client/test_request.py", "http/test_body.py", "test_blob.py", "core/test_a.py"]
        assert missing_tests(sources, there, {"_pure": "core"}) == []
        elsewhere = ["http/test_request.py", "test_body.py", "blob/test_blob.py", "pure/test_a.py"]
        assert missing_tests(sources, elsewhere, {"_pure": "core"}) == [*sources[:2], "wsrs._pure.a"]

    def test_a_file_that_is_too_long(self, tmp_path: Path) -> None:
        for lines in (400, 401):
            (tmp_path / f"{lines}.py").write_text("#\n" * lines)
        assert too_long(sorted(tmp_path.iterdir()), tmp_path) == ["401.py"]

    def test_unlisted_findings_and_unneeded_exceptions_are_found(self) -> None:
        assert unlisted(["a", "b"], ["b", "c"]) == (["a"], ["c"])
