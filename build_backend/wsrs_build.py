"""The build backend of wsrs (PEP 517, PEP 660): maturin's or, without the extension, hatchling's.

If `WSRS_NO_EXTENSION` is set, hatchling makes wheels and editable installations with only the pure core.
Every other build is maturin's, including every source distribution, which serves both. The hooks and not
pyproject.toml state the requirements, because these depend on that variable: a platform that has no Rust may
have no maturin either.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

MATURIN = "maturin>=1.14,<2"
HATCHLING = "hatchling>=1.27,<2"

Settings = Mapping[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return the requirements of maturin, or the one of a build without the extension."""
    return [HATCHLING] if _without_extension(config_settings) else get_requires_for_build_sdist()


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Return maturin and, without cargo, the package that installs one, as maturin's own hook does."""
    has_rust = os.environ.get("MATURIN_NO_INSTALL_RUST") or shutil.which("cargo")
    return [MATURIN] if has_rust else [MATURIN, "puccinialin"]


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Make a wheel, and return its file name."""
    backend = _backend(config_settings)
    return str(backend.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Make a wheel that points to this folder, and return its file name."""
    backend = _backend(config_settings)
    return str(backend.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Make the source distribution, and return its file name."""
    return str(importlib.import_module("maturin").build_sdist(sdist_directory, config_settings))


get_requires_for_build_editable = get_requires_for_build_wheel


def __getattr__(name: str) -> Any:
    """Return a hook that only some backends have. hatchling has none that prepares metadata for pip."""
    if name.startswith("prepare_metadata_for_build_"):
        return getattr(_backend(None), name)
    raise AttributeError(name)


def _without_extension(config_settings: Settings) -> bool:
    """True if the caller wants no extension. Settings, which only maturin has, are an error then."""
    wished = bool(os.environ.get("WSRS_NO_EXTENSION"))
    if wished and config_settings:
        sys.exit(
            f"WSRS_NO_EXTENSION is set, and a build without Rust has no settings: {dict(config_settings)}"
        )
    return wished


def _backend(config_settings: Settings) -> Any:
    return importlib.import_module("hatchling.build" if _without_extension(config_settings) else "maturin")
