"""The core that runs, chosen once when wsrs is imported."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from wsrs._backend import contract


__all__ = ["KEEP_OUT", "core", "load", "new_connection", "new_deflate"]

KEEP_OUT = ("WSRS_PURE_PYTHON", "WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE")
"""Environment variables that keep the Rust core out if one is not empty. Two of them are ws's own."""


def load() -> ModuleType:
    """Return the core to run on: the Rust one, unless the environment keeps it out or it is not installed.

    A Rust core that is installed but cannot be loaded raises its ImportError: a program that has the fast
    core must not run on the other one without notice.
    """
    if not any(os.environ.get(name) for name in KEEP_OUT):
        try:
            # Not `from wsrs import _core`, whose ImportError would not tell missing from broken.
            return importlib.import_module("wsrs._core")
        except ModuleNotFoundError as error:
            if error.name != "wsrs._core":
                raise
    return importlib.import_module("wsrs._pure")


core = cast("contract.Backend", load())
"""`wsrs._core` or `wsrs._pure`, seen through the protocol that both keep."""

new_connection = cast("Callable[..., contract.Connection]", core.Connection)
"""Makes a `Connection`. Its keywords stand in `_backend.contract`: a protocol class states no constructor."""

new_deflate = cast("Callable[..., contract.PerMessageDeflate]", core.PerMessageDeflate)
"""Makes a `PerMessageDeflate`."""
