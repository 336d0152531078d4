"""Figures as text."""

from __future__ import annotations


def number(value: float | None) -> str:
    """Three figures, or all before the point."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}"


def whole(value: float | None) -> str:
    """All before the point, and nothing after it."""
    return "-" if value is None else f"{value:,.0f}"
