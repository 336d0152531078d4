"""The core that runs, chosen once when wsrs is imported (see `wsrs._backend.contract.load`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from wsrs._backend import contract

__all__ = ["core", "new_connection", "new_deflate"]

core = cast(contract.Backend, contract.load())
"""`wsrs._core` or `wsrs._pure`, seen through the protocol that both keep."""

new_connection = cast(Callable[..., contract.Connection], core.Connection)
"""Makes a `Connection`. Its keywords stand in `_backend.contract`: a protocol class states no constructor."""

new_deflate = cast(Callable[..., contract.PerMessageDeflate], core.PerMessageDeflate)
"""Makes a `PerMessageDeflate`."""
