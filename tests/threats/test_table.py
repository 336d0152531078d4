"""The page is rendered from the table, and the table names tests that exist."""

from __future__ import annotations

import ast

from .render import PAGE, ROOT, render
from .table import ROWS


def python_test_exists(name: str) -> bool:
    path, *parts = name.split("::")
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    for part in parts:
        found = [
            node
            for node in body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == part
        ]
        if not found:
            return False
        body = found[0].body
    return True


def rust_test_exists(name: str) -> bool:
    path, function = name.removeprefix("rust:").split("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    return "#[test]" in source if function == "*" else f"fn {function}(" in source


def exists(name: str) -> bool:
    kind, _, rest = name.partition(":")
    if kind == "fuzz":
        return (ROOT / "fuzz" / "src" / "targets" / f"{rest}.rs").exists()
    return rust_test_exists(name) if kind == "rust" else python_test_exists(name)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_test_that_is_named_exists() -> None:
    assert [name for row in ROWS for name in row.tests if not exists(name)] == []


def test_every_class_has_tests() -> None:
    assert all(row.tests for row in ROWS)
    assert len({row.fault for row in ROWS}) == len(ROWS) == 34
