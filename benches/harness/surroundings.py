"""The machine, the versions and the build that the figures belong to, without names of hosts, users or
folders."""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime, timezone
from pathlib import Path

from harness.measure import GENERATOR_CORE, SERVER_CORE
from harness.places import Places, SetupError, run
from harness.results import Surroundings
from harness.servers import Server

_VERSIONS = (
    "import importlib.metadata as m, json, sys\n"
    "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
    "print(json.dumps({n: found[n] for n in sys.argv[1:] if n in found}))"
)


def surroundings(places: Places, servers: list[Server], quick: bool) -> Surroundings:
    """The surroundings of this run."""
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return Surroundings(date, quick, _machine(), _versions(places, servers), _build(places))


def _machine() -> dict[str, str]:
    model = _field(Path("/proc/cpuinfo"), "model name") or platform.machine()
    memory = _field(Path("/proc/meminfo"), "MemTotal") or "0 kB"
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory.split()[0]) / 2**20:.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "pinning": f"server on core {SERVER_CORE}, load generator on core {GENERATOR_CORE}, loopback",
    }


def _field(file: Path, name: str) -> str | None:
    if not file.exists():
        return None
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _versions(places: Places, servers: list[Server]) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    wanted = sorted({package for server in servers for package in server.packages})
    for python in (places.python, places.socketify_python):
        if python.exists():
            versions.update(json.loads(run([python, "-c", _VERSIONS, *wanted], cwd=places.root)))
    lock = places.node / "package-lock.json"
    if lock.exists():
        packages = json.loads(lock.read_text())["packages"]
        versions["node"] = _said(places, "node", "--version").removeprefix("v")
        for name in ("ws", "bufferutil"):
            versions[f"{name} (npm)"] = packages[f"node_modules/{name}"]["version"]
    return versions


def _build(places: Places) -> dict[str, str]:
    commit = _said(places, "git", "rev-parse", "--short=12", "HEAD")
    # The result files of an earlier run do not change what is measured.
    changes = _said(
        places, "git", "status", "--porcelain", "--", ".", ":!benches/results", ":!benches/RESULTS.md"
    )
    return {
        "profile": "release",
        "commit": commit + (", with changes" if changes and commit != "unknown" else ""),
        "rustc": _said(places, "rustc", "--version").removeprefix("rustc "),
    }


def _said(places: Places, *command: str) -> str:
    try:
        return run(command, cwd=places.root).strip()
    except SetupError:
        return "unknown"
