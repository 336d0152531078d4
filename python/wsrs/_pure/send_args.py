"""The arguments that say how to send."""

from __future__ import annotations

__all__ = ["check_flags"]


def check_flags(**flags: object) -> None:
    """TypeError for what is neither a bool nor None; `fin` must be a bool."""
    for name, value in flags.items():
        if type(value) is not bool and (value is not None or name == "fin"):
            raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
