"""Peers that are programs of the system: where they are, and what happens to the tests without them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE = "WSRS_REQUIRE_PEERS"
"""This variable, non-empty, makes an absent peer a failure: `.ci/run` sets it."""

ROOT = Path(__file__).parents[2]
NODE_SOURCES = Path(__file__).with_name("node")
NODE_FOLDER = ROOT / "target" / "interop" / "node"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def absent(peer: str, why: str) -> NoReturn:
    """Skips the test and says why; fails it where every peer is required."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"{peer} is required ({REQUIRE} is set), but {why}; see requirements/system.txt", False)
    pytest.skip(f"{peer} is absent: {why}; `make system` installs it on Debian")


def program(peer: str, *names: str) -> str:
    """The path of the first of these programs that there is."""
    # Debian keeps daemons where only root's PATH looks.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    absent(peer, f"there is no {' or '.join(names)} on the PATH")


def node_with_ws() -> tuple[str, Path]:
    """Node, and a folder with the ws of `node/package-lock.json` in it: installed if that has changed."""
    node = program("ws", "node")
    lock = (NODE_SOURCES / "package-lock.json").read_bytes()
    stamp = NODE_FOLDER / ".installed"
    wanted = hashlib.sha256(lock).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return node, NODE_FOLDER
    npm = program("ws", "npm")
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(NODE_SOURCES / name, NODE_FOLDER / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        absent("ws", f"`npm ci` failed: {' '.join(done.stderr.split())[-300:]}")
    stamp.write_text(wanted)
    return node, NODE_FOLDER


def nginx() -> str:
    return program("nginx", "nginx")


def browser() -> str:
    if sys.platform == "win32":
        absent("Chromium", "a browser on Windows is not looked for")
    return program("Chromium", *BROWSERS)
