"""Facts read from the sources: which module imports which, who uses whose private names, what Rust imports.

Nothing of wsrs is imported here: `ast` reads its sources. `test_layers.py` compares the results with its
lists.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "LAZY",
    "PLAIN",
    "TYPES",
    "Import",
    "Use",
    "cycles",
    "defines",
    "imports",
    "missing_tests",
    "private_uses",
    "read_package",
    "rust_imports",
    "too_long",
    "unguarded_uses",
    "unlisted",
    "upward",
]

PLAIN, LAZY, TYPES = "plain", "lazy", "types"
"""When an import runs: with its module, in a function, or never (`if TYPE_CHECKING`)."""

Sources = Mapping[str, str]
"""The texts of modules by dotted name; a package is `name.__init__`."""


class Import(NamedTuple):
    """One module imports another."""

    source: str
    target: str
    kind: str


def read_package(folder: Path) -> dict[str, str]:
    """The texts of the package in `folder`, stubs of extension modules included."""
    found = {}
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.pyi")]):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts)] = path.read_text(encoding="utf-8")
    return found


# Imports --------------------------------------------------------------------------------------


def imports(sources: Sources) -> list[Import]:
    """All imports of one module of `sources` by another, each once."""
    found: dict[Import, None] = {}
    for source, text in sources.items():
        for target, kind in _imported(ast.parse(text), PLAIN):
            module = _module(target, sources)
            if module is not None and module != source:
                found[Import(source, module, kind)] = None
    return list(found)


def _imported(node: ast.AST, kind: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        inner = kind
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and kind == PLAIN:
            inner = LAZY
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for each in child.body:
                yield from _imported(ast.Module([each], []), TYPES)
            for each in child.orelse:
                yield from _imported(ast.Module([each], []), kind)
            continue
        elif isinstance(child, ast.Import):
            for name in child.names:
                yield name.name, kind
        elif isinstance(child, ast.ImportFrom):
            if child.level:
                raise ValueError(f"line {child.lineno}: modules of wsrs are imported by their whole names")
            for name in child.names:
                yield f"{child.module}.{name.name}", kind
        elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith("import_module"):
            yield from ((each.value, LAZY) for each in child.args if _is_text(each))  # type: ignore[attr-defined]
        yield from _imported(child, inner)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _module(name: str, sources: Sources) -> str | None:
    """The module of `sources` that an import of `name` loads; `name` may be an attribute of the module."""
    for each in (name, name.rpartition(".")[0]):
        for module in (each, f"{each}.__init__"):
            if module in sources:
                return module
    return None


def room(module: str) -> str:
    """The room of a module: a public module's own name, or the name of its folder."""
    return module.split(".")[1]


def upward(found: Iterable[Import], layers: str) -> list[Import]:
    """The imports of higher layers. `layers` names rooms, the lowest first, with `|` between layers."""
    heights = {name: height for height, layer in enumerate(layers.split("|")) for name in layer.split()}
    return [each for each in found if heights[room(each.target)] > heights[room(each.source)]]


def cycles(found: Iterable[Import]) -> list[list[str]]:
    """The sets of modules that all reach one another by imports at run time, lazy ones included.

    Importing a module of a package from outside runs the package's `__init__` too.
    """
    graph: dict[str, set[str]] = {}
    for source, target, kind in found:
        if kind != TYPES:
            package = f"{target.rpartition('.')[0]}.__init__"
            outside = package.count(".") > 1 and source.rpartition(".")[0] != target.rpartition(".")[0]
            graph.setdefault(source, set()).update({target, package} if outside else {target})
    reached = {module: _reached(module, graph) for module in graph}
    rings = {
        tuple(sorted(each for each in there if module in reached.get(each, ())))
        for module, there in reached.items()
        if module in there
    }
    return sorted(list(ring) for ring in rings)


def _reached(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        new = graph.get(left.pop(), set()) - seen
        seen |= new
        left += new
    return seen


# Private names --------------------------------------------------------------------------------


class Use(NamedTuple):
    """A module reaches into an object of another room: by a private name, or by its `__dict__`."""

    module: str
    name: str


OWNERS = {"ws": "websocket", "_ws": "websocket", "websocket": "websocket", "_http": "http"}
"""For names of variables and attributes, in all of wsrs, the room of the object that they hold."""


def concept(module: str) -> str:
    """The concept of a room: a class and the folder of its parts are one, as `websocket` and `_websocket`."""
    return room(module).lstrip("_")


def private_uses(sources: Sources) -> list[Use]:
    """The private names of other rooms that a module reads, sets or imports, each once; and each `vars`.

    `ast` knows no types. So a name that the module's own room defines as well counts as its own, unless
    `OWNERS` gives the object to another room.
    """
    trees = {module: ast.parse(text) for module, text in sources.items()}
    defined: dict[str, set[str]] = {}
    for module, tree in trees.items():
        defined.setdefault(concept(module), set()).update(_defined(tree))
    known = set().union(*defined.values())
    found: dict[Use, None] = {}
    for module, tree in trees.items():
        own = defined[concept(module)]
        for name, owner in _private_names(tree):
            is_own = name in own and owner in (None, concept(module))
            if name in ("vars", "__dict__") or (name in known and not is_own):
                found[Use(module, name)] = None
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and _module(f"{node.module}.x", sources) is not None:
                target = _module(f"{node.module}.x", sources) or module
                for each in node.names:
                    is_module = _module(f"{node.module}.{each.name}", sources) != target
                    if each.name.startswith("_") and not is_module and concept(target) != concept(module):
                        found[Use(module, each.name)] = None
    return list(found)


def _defined(tree: ast.AST) -> Iterator[str]:
    """The names of functions, classes, variables, attributes of `self`, and slots that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            yield from (each.value for each in ast.walk(node.value) if _is_text(each))  # type: ignore[attr-defined]


def _is_self(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _private_names(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Private names used on objects other than `self`, with the room of the object if it is known."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not _is_self(node.value):
            if node.attr == "__dict__" or _is_private(node.attr):
                yield node.attr, _owner(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "vars":
                yield "vars", None
            elif node.func.id in ("getattr", "setattr", "hasattr", "delattr") and len(node.args) > 1:
                subject, name = node.args[:2]
                if _is_text(name) and _is_private(name.value) and not _is_self(subject):  # type: ignore[attr-defined]
                    yield name.value, _owner(subject)  # type: ignore[attr-defined]


def _owner(node: ast.AST) -> str | None:
    return OWNERS.get(ast.unparse(node).rpartition(".")[2])


# Rust -----------------------------------------------------------------------------------------

_COMMENT = re.compile(r"//[^\n]*")
_IMPORT = re.compile(
    r"""(?:let\s+(?P<bound>\w+)\s*=\s*)?[\w.]*\bimport\(\s*
        (?:[\w.()]+\s*,\s*)?(?:intern!\(\s*\w+\s*,\s*)?"(?P<module>wsrs(?:\.\w+)*)"\s*\)?\s*
        (?:,\s*"(?P<second>\w+)"\s*)?\)?\s*\??\s*
        (?:\.getattr\(\s*(?:intern!\(\s*\w+\s*,\s*)?(?:"(?P<attribute>\w+)"|(?P<variable>\w+)))?""",
    re.VERBOSE,
)


def rust_imports(text: str) -> set[tuple[str, str | None]]:
    """The imports of wsrs in a Rust file: (module, attribute), with None for an unknown attribute."""
    text = _COMMENT.sub("", text)
    found: set[tuple[str, str | None]] = set()
    for match in _IMPORT.finditer(text):
        module = match["module"]
        names = {match["second"] or match["attribute"]} - {None}
        if match["variable"]:
            # A parameter of a function: its callers give the value.
            for function in re.findall(rf"fn (\w+)\(\s*{match['variable']}: &'static str", text):
                names |= set(re.findall(rf'\b{function}\(\s*"(\w+)"', text))
        if match["bound"]:
            bound = rf'\b{match["bound"]}\s*\.\w+\(\s*(?:intern!\(\s*\w+\s*,\s*)?"(\w+)"'
            names |= set(re.findall(bound, text[match.end() :]))
        found |= {(module, name) for name in names or {None}}
    for module in re.findall(r'"(wsrs(?:\.\w+)*)"', text):
        if module not in {each for each, _ in found}:
            found.add((module, None))
    return found


_GATE = r"#\[cfg\((?:unix|all\([^)]*\bunix\))\)\]\s*"
_MODULE = re.compile(rf"(?P<gate>{_GATE})?(?:pub )?mod (?P<name>\w+);")
_USE = re.compile(rf"^(?P<gate>{_GATE})?(?:pub )?use (?P<path>[^;]+);", re.MULTILINE)


def unguarded_uses(files: Mapping[str, str]) -> set[tuple[str, str]]:
    """The `use` statements, by file (`a/b.rs`), of modules that only Unix has, where `cfg(unix)` is missing.

    They compile on Unix, and break the build on Windows.
    """
    gated = set()
    for file, text in files.items():
        folder = re.sub(r"(/mod|^lib)?\.rs$", "", file).split("/")
        for module in _MODULE.finditer(text):
            if module["gate"]:
                gated.add("::".join(["crate", *filter(None, folder), module["name"]]))
    found = set()
    for file, text in files.items():
        own = "::".join(["crate", *re.sub(r"(/mod)?\.rs$", "", file).split("/")])
        if any(f"{own}::".startswith(f"{module}::") for module in gated):
            continue
        for use in _USE.finditer(text):
            path = use["path"].strip()
            if not use["gate"] and any(re.match(rf"{module}\b", path) for module in gated):
                found.add((file, path.split("{")[0].removesuffix("::")))
    return found


def defines(sources: Sources, module: str, name: str) -> bool:
    """True if a module of `sources` defines `name` at its top level."""
    text = sources.get(module, sources.get(f"{module}.__init__"))
    if text is None:
        return False
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [each.asname or each.name for each in node.names]
        else:
            names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and _is_stored(each)]
        if name in names:
            return True
    return False


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


# Files ----------------------------------------------------------------------------------------


def missing_tests(sources: Iterable[str], tests: Iterable[str], homes: Mapping[str, str]) -> list[str]:
    """The modules without a test file of their name, as `client/test_request.py` for `_client/request.py`.

    The test file of a public module is in a folder of its name, or at the top. `homes` names other folders,
    by room.
    """
    there = set(tests)
    missing = []
    for module in sources:
        name = module.rpartition(".")[2].lstrip("_")
        folder = homes.get(room(module), concept(module))
        places = {f"{folder}/test_{name}.py"}
        if module.count(".") == 1:
            places.add(f"test_{name}.py")
        if name != "init__" and not places & there:
            missing.append(module)
    return missing


def too_long(files: Iterable[Path], root: Path, bound: int = 400) -> list[str]:
    """The files of more than `bound` lines."""
    return [
        path.relative_to(root).as_posix()
        for path in files
        if path.read_text(encoding="utf-8").count("\n") > bound
    ]


def unlisted(found: Iterable[object], listed: Iterable[object]) -> tuple[list[object], list[object]]:
    """What was found and is not listed, and what is listed and was not found: both must be empty."""
    there, allowed = list(found), list(listed)
    return [each for each in there if each not in allowed], [each for each in allowed if each not in there]
