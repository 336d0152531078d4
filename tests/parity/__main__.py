"""Writes `docs/parity.md`."""

from __future__ import annotations

from .table import PAGE, render

if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render())
