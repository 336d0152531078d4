"""Figures as text."""

from __future__ import annotations


def number(value: float | None) -> str:
    """The value with three significant digits, or with all digits before the point."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}"


def whole(value: float | None) -> str:
    """The value with all digits before the point and none after it."""
    return "-" if value is None else f"{value:,.0f}"
