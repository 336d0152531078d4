"""The private names of the Rust module's stub.

stubtest compares the others, and passes over a private name that only the binary has.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wsrs
from wsrs import _core

STUB = ast.parse(Path(wsrs.__file__).with_name("_core.pyi").read_text(encoding="utf-8"))
# The classes that are only on some systems are within an `if`.
CLASSES = {node.name: node for node in ast.walk(STUB) if isinstance(node, ast.ClassDef)}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def declared(node: ast.AST) -> set[str]:
    """The names of the functions and attributes in a class of the stub."""
    names = {each.name for each in ast.walk(node) if isinstance(each, ast.FunctionDef)}
    assigned = [each.target for each in ast.walk(node) if isinstance(each, ast.AnnAssign)]
    return names | {target.id for target in assigned if isinstance(target, ast.Name)}


@pytest.mark.parametrize("name", [name for name, kind in vars(_core).items() if isinstance(kind, type)])
def test_the_stub_has_each_private_name_of_a_class(name: str) -> None:
    # A class that has a base in Python is made in two steps, and its methods are those of the first.
    bases = [base for base in getattr(_core, name).__mro__ if base.__module__ == _core.__name__]
    private = {each for base in bases for each in vars(base) if is_private(each)}
    assert private <= declared(CLASSES[name])


def test_the_module_itself_has_no_private_name() -> None:
    assert [name for name in vars(_core) if is_private(name)] == []
