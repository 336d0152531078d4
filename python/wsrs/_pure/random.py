"""Random bytes from the system: masking keys (RFC 6455 section 10.3)."""

from __future__ import annotations

import os

__all__ = ["MaskPool"]


class MaskPool:
    """Masking keys, "derived from a strong source of entropy" (RFC 6455 section 5.3): the system's."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self.discard()
        if hasattr(os, "register_at_fork"):  # pragma: no branch: Windows
            os.register_at_fork(after_in_child=self.discard)

    def discard(self) -> None:
        """Drop the keys in stock: a forked process must not use its parent's."""
        self._pool = b""
        self._at = 0

    def next_mask(self) -> bytes:
        """Four bytes that were never used."""
        at = self._at
        if at >= len(self._pool):
            self._pool = os.urandom(4096)
            at = 0
        self._at = at + 4
        return self._pool[at : at + 4]
