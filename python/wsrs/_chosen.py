"""The core that runs, chosen once when wsrs is imported (see `wsrs._backend.load`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from wsrs import _backend

__all__ = ["core", "new_connection", "new_deflate"]

core = cast(_backend.Backend, _backend.load())
"""`wsrs._core` or `wsrs._pure`, seen through the protocol that both keep."""

new_connection = cast(Callable[..., _backend.Connection], core.Connection)
"""Makes a `Connection`; a protocol class states no constructor, so its keywords are in `wsrs._backend`."""

new_deflate = cast(Callable[..., _backend.PerMessageDeflate], core.PerMessageDeflate)
"""Makes a `PerMessageDeflate`."""
