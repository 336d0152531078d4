"""`python -m tests.threats`: writes docs/security.md anew from the table."""

from __future__ import annotations

from .render import PAGE, render

PAGE.write_text(render(), encoding="utf-8")
