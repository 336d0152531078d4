"""The build backend of wsrs (PEP 517, PEP 660): maturin's, or one that needs neither Rust nor maturin.

If `WSRS_NO_EXTENSION` is set, `pure_wheel` beside this file makes wheels and editable installations with
only the pure core. Everything else is passed on to maturin, including every source distribution, which serves
both. The hooks and not pyproject.toml state the requirements, because these depend on that variable.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pure_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
MATURIN = "maturin>=1.14,<2"
# The standard library reads TOML from Python 3.11 on.
TOML = "tomli>=2; python_version < '3.11'"

Settings = Mapping[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """The requirements of maturin (see below); those of a pure wheel are neither cargo nor maturin."""
    return [TOML] if _without_extension(config_settings) else get_requires_for_build_sdist()


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """maturin and, without cargo, the package that installs one, as maturin's own hook does."""
    has_rust = os.environ.get("MATURIN_NO_INSTALL_RUST") or shutil.which("cargo")
    return [MATURIN] if has_rust else [MATURIN, "puccinialin"]


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    """Write the `.dist-info` folder, and return its name."""
    if _without_extension(config_settings):
        return pure_wheel.write_metadata(ROOT, Path(metadata_directory))
    return str(_maturin().prepare_metadata_for_build_wheel(metadata_directory, config_settings))


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Make a wheel, and return its file name."""
    if _without_extension(config_settings):
        return pure_wheel.write_wheel(ROOT, Path(wheel_directory), editable=False)
    return str(_maturin().build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Make a wheel that points to this folder; returns its file name."""
    if _without_extension(config_settings):
        return pure_wheel.write_wheel(ROOT, Path(wheel_directory), editable=True)
    return str(_maturin().build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Make the source distribution, and return its file name."""
    return str(_maturin().build_sdist(sdist_directory, config_settings))


get_requires_for_build_editable = get_requires_for_build_wheel
prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def _without_extension(config_settings: Settings) -> bool:
    wished = bool(os.environ.get("WSRS_NO_EXTENSION"))
    if wished and config_settings:
        sys.exit(
            f"WSRS_NO_EXTENSION is set, and a build without Rust has no settings: {dict(config_settings)}"
        )
    return wished


def _maturin() -> Any:
    import maturin

    return maturin
