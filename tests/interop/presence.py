"""Peers that are programs of the system: where they are, and whether tests without them skip or fail."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE = "WSRS_REQUIRE_PEERS"
"""If this variable is not empty, an absent peer is a failure: `.ci/run` sets it."""

ROOT = Path(__file__).parents[2]
NODE_SOURCES = Path(__file__).with_name("node")
NODE_FOLDER = ROOT / "target" / "interop" / "node"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def absent(peer: str, why: str) -> NoReturn:
    """Skip the test and say why, or fail it if every peer is required."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"{peer} is required ({REQUIRE} is set), but {why}; see requirements/system.txt", False)
    pytest.skip(f"{peer} is absent: {why}; `make system` installs it on Debian")


def program(peer: str, *names: str) -> str:
    """The path of the first of these programs that exists."""
    # Debian keeps daemons in folders that only root's PATH has.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    absent(peer, f"there is no {' or '.join(names)} on the PATH")


def node_with_ws() -> tuple[str, Path]:
    """Node, and a folder with the ws of `node/package-lock.json`, which is installed if it is not there
    yet."""
    node = program("ws", "node")
    lock = (NODE_SOURCES / "package-lock.json").read_bytes()
    folder = NODE_FOLDER / hashlib.sha256(lock).hexdigest()[:16]
    if not folder.is_dir():
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        # The rename makes it appear at once: the suites of both cores may run at the same time.
        with tempfile.TemporaryDirectory(dir=NODE_FOLDER, ignore_cleanup_errors=True) as place:
            _install_ws(Path(place))
            with contextlib.suppress(OSError):  # the other suite was first
                os.rename(place, folder)
    return node, folder


def _install_ws(folder: Path) -> None:
    npm = program("ws", "npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(NODE_SOURCES / name, folder / name)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        absent("ws", f"`npm ci` failed: {' '.join(done.stderr.split())[-300:]}")


def nginx() -> str:
    return program("nginx", "nginx")


def browser() -> str:
    if sys.platform == "win32":
        absent("Chromium", "the tests do not look for a browser on Windows")
    return program("Chromium", *BROWSERS)
