"""Every name of ws's API: its spelling here, the differences, their reasons, and the tests.

`python -m tests.parity` (`make docs`) renders `docs/parity.md` from these sections. A test is named
`Class::test`, without its file, so that it can move.
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

This page lists every name in the API of npm's `ws`, its spelling in Python, the differences, the reasons for
them, and the tests that show its behaviour on live sockets. Both spellings work everywhere. Pass options as
keywords, or in a mapping as in ws. A name without a stated difference behaves as in ws.

`make docs` renders this page from `tests/parity`: edit it there.
"""


def render() -> str:
    """The page, from the table."""
    parts = [HEAD]
    for section in SECTIONS:
        note = f"{section.note}\n\n" if section.note else ""
        parts.append(f"\n## {section.title}\n\n{note}| ws | wsrs | differences and reasons | tests |\n")
        parts.append("| --- | --- | --- | --- |\n")
        for row in section.rows:
            name = "the same" if row.name == row.ws else f"`{row.name}`"
            tests = ", ".join(f"`{test}`" for test in row.tests)
            parts.append(f"| `{row.ws}` | {name} | {row.differs} | {tests} |\n")
    return "".join(parts)


@lru_cache(maxsize=1)
def known_tests() -> dict[str, list[tuple[Path, bool]]]:
    """The functions that pytest collects, by `Class::test`: file, and whether it is a coroutine function."""
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
