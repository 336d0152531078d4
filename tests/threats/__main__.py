"""`python -m tests.threats` renders docs/security.md from the table."""

from __future__ import annotations

from .render import PAGE, render

PAGE.write_text(render(), encoding="utf-8")
