"""Every name of ws's API: its spelling here, what differs and why, and the tests that show what it does.

`docs/parity.md` is rendered from these sections by `python -m tests.parity` (`make docs`). A test is named as
`Class::test`, wherever its file is, so that it can move.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from .rows_beyond import BEYOND_SECTIONS
from .rows_calls import CALL_SECTIONS
from .rows_client import CLIENT_SECTIONS
from .rows_server import SERVER_SECTIONS
from .rows_websocket import WEBSOCKET_SECTIONS

__all__ = ["PAGE", "SECTIONS", "known_tests", "render"]

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "parity.md"
SECTIONS = (
    *SERVER_SECTIONS,
    *WEBSOCKET_SECTIONS[:-2],
    *CLIENT_SECTIONS,
    *CALL_SECTIONS,
    *WEBSOCKET_SECTIONS[-2:],
    *BEYOND_SECTIONS,
)

HEAD = """\
# ws and wsrs, name by name

Every name of the API of npm's `ws`, how it reads in Python, what differs and why, and the tests that show it
on live sockets. Both spellings work everywhere. Options come as keywords or in a mapping, as in ws. What is
not said to differ does what ws does.

Rendered from `tests/parity` by `make docs`: edit it there.
"""


def render() -> str:
    """The page, from the table."""
    parts = [HEAD]
    for section in SECTIONS:
        note = f"{section.note}\n\n" if section.note else ""
        parts.append(f"\n## {section.title}\n\n{note}| ws | wsrs | what differs, and why | tests |\n")
        parts.append("| --- | --- | --- | --- |\n")
        for row in section.rows:
            name = "the same" if row.name == row.ws else f"`{row.name}`"
            tests = ", ".join(f"`{test}`" for test in row.tests)
            parts.append(f"| `{row.ws}` | {name} | {row.differs} | {tests} |\n")
    return "".join(parts)


@lru_cache(maxsize=1)
def known_tests() -> dict[str, list[tuple[Path, bool]]]:
    """The functions that pytest collects, by `Class::test`: their file, and whether they are coroutines."""
    found: dict[str, list[tuple[Path, bool]]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            members = node.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test") else [node]
            prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
            for member in members:
                if not isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue
                if member.name.startswith("test_"):
                    live = isinstance(member, ast.AsyncFunctionDef)
                    found.setdefault(prefix + member.name, []).append((path, live))
    return found
