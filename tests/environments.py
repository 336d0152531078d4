"""Bare virtual environments, programs that run in them, and the interpreters that the machine has."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ECHO = """
import asyncio, wsrs

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data)))
        async with wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}") as ws:
            await ws.send(b"hello")
            print(wsrs.backend, await ws.recv(), wsrs.__file__)

asyncio.run(main())
"""
# A program must not see these variables of the suite, which lead it to another environment or another core.
_HIDDEN = ("PYTHONPATH", "VIRTUAL_ENV", "WSRS_NO_EXTENSION", "WSRS_PURE_PYTHON")


def run(*words: str | Path, empty: Path, **environment: str) -> str:
    """The stdout of a program that runs in an empty folder."""
    empty.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    done = subprocess.run(
        [str(word) for word in words],
        env={**kept, **environment},
        cwd=empty,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_in(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def supported() -> list[str]:
    """The minor versions of CPython that wsrs supports, oldest first."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)


def chosen() -> list[str]:
    """The versions in `WSRS_PYTHONS`: `3.14`, `current`, or `all`, `oldest`, `newest` of the machine."""
    versions: set[str] = set()
    for word in os.environ.get("WSRS_PYTHONS", "current").split():
        if word == "current":
            versions.add(_current())
        elif word in ("all", "oldest", "newest"):
            found = [version for version in supported() if interpreter(version)]
            versions.update({"all": found, "oldest": found[:1], "newest": found[-1:]}[word])
        else:
            versions.add(word)
    return sorted(versions, key=lambda version: int(version.partition(".")[2]))


@functools.cache
def interpreter(version: str) -> str | None:
    """The path of that CPython: this one, one on `PATH`, or one of pyenv's."""
    if version == _current():
        return sys.executable
    folders = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin"))
    for path in (shutil.which(f"python{version}"), *(str(folder / "python") for folder in folders)):
        if path and _version(path) == f"cpython {version}":
            return path
    return None


def _current() -> str:
    return f"3.{sys.version_info.minor}"


def _version(path: str) -> str:
    program = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    # A shim of pyenv is there even if no interpreter is behind it.
    done = subprocess.run([path, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()
