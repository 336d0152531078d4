"""What was measured, as it is kept: one JSON file a row, samples and surroundings, no conclusions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness.measure import Sample

GENERATOR_BUSY = 0.95
"""A generator that is busier than this, and busier than the server, was what limited the rate."""


@dataclass
class ServerResult:
    """One server in one row: its samples, and, if it has none or broke off, why."""

    title: str
    missing: str | None
    samples: list[Sample]

    def figure(self, key: str) -> float | None:
        """The median over the rounds; None where it was not (or not wholly) measured."""
        return self._over(key, median)

    def least(self, key: str) -> float | None:
        """The smallest of the rounds."""
        return self._over(key, min)

    def most(self, key: str) -> float | None:
        """The largest of the rounds."""
        return self._over(key, max)

    def _over(self, key: str, choose: Callable[[list[float]], float]) -> float | None:
        if self.missing is not None or not self.samples or any(key not in sample for sample in self.samples):
            return None
        return choose([sample[key] for sample in self.samples])

    @property
    def generator_limited(self) -> bool:
        """Whether the load generator, not the server, was the busy one."""
        generator, server = self.figure("generator_busy"), self.figure("server_busy")
        return (
            generator is not None and server is not None and generator > GENERATOR_BUSY and generator > server
        )


@dataclass
class Surroundings:
    """Under what the samples were taken."""

    date: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    build: dict[str, str]


@dataclass
class RowResult:
    """One row of the benches."""

    name: str
    title: str
    rounds: int
    servers: dict[str, ServerResult]


def save(folder: Path, result: RowResult, surroundings: Surroundings) -> None:
    """Write `NAME.json`; an earlier result of the row is replaced."""
    write(folder / f"{result.name}.json", surroundings, asdict(result))


def load(folder: Path, name: str) -> tuple[RowResult, Surroundings] | None:
    """Read `NAME.json`; None if the row was never measured."""
    document = read(folder / f"{name}.json")
    if document is None:
        return None
    servers = {key: ServerResult(**value) for key, value in document["servers"].items()}
    result = RowResult(document["name"], document["title"], document["rounds"], servers)
    fields = ("date", "quick", "machine", "versions", "build")
    return result, Surroundings(**{key: document[key] for key in fields})


def write(path: Path, around: Surroundings, found: dict[str, Any]) -> None:
    """Write what was found, and under what; what was measured before is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**asdict(around), **found}, indent=1) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """What `write` has written; None if nothing was measured."""
    return json.loads(path.read_text()) if path.exists() else None
