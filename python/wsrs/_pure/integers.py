"""Integer arguments. One that is out of range raises a ValueError that names it, as in the Rust core."""

from __future__ import annotations

from operator import index

__all__ = ["check_counts", "in_range"]

_LARGEST = 2**63 - 1


def in_range(name: str, value: int, low: int, high: int) -> int:
    """Return `value`, an int from `low` to `high`. Raises TypeError if it is not an int."""
    if not low <= index(value) <= high:
        raise ValueError(f"{name} must be from {low} to {high}, not {value}")
    return value


def check_counts(**counts: int) -> None:
    """Check sizes and limits, by their names."""
    for name, value in counts.items():
        in_range(name, value, 0, _LARGEST)
