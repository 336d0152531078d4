"""Measurements as they are stored: a JSON file for each row, with samples and surroundings and no
conclusions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from harness.measure import Sample

GENERATOR_BUSY = 0.95
"""A generator that is busier than this, and busier than the server, has limited the rate."""


@dataclass
class ServerResult:
    """One server in one row: its samples, and the reason if it has none or broke off."""

    title: str
    missing: str | None
    samples: list[Sample]

    def figure(self, key: str) -> float | None:
        """The median over the rounds; None if it was not measured, or not in full."""
        return self._over(key, median)

    def least(self, key: str) -> float | None:
        """The smallest value of the rounds."""
        return self._over(key, min)

    def most(self, key: str) -> float | None:
        """The largest value of the rounds."""
        return self._over(key, max)

    def _over(self, key: str, choose: Callable[[list[float]], float]) -> float | None:
        if self.missing is not None or not self.samples or any(key not in sample for sample in self.samples):
            return None
        return choose([sample[key] for sample in self.samples])

    @property
    def generator_limited(self) -> bool:
        """True if the load generator, and not the server, was the bottleneck."""
        generator, server = self.figure("generator_busy"), self.figure("server_busy")
        return (
            generator is not None and server is not None and generator > GENERATOR_BUSY and generator > server
        )


@dataclass(frozen=True)
class Ratio:
    """The ratios of one server's figure to another's: each round gives one, from two samples.

    A ratio of medians would compare a sample of the machine's fast minutes with one of its slow minutes.
    """

    median: float
    low: float
    """A quarter of the rounds is below this."""
    high: float
    """A quarter of the rounds is above this."""


@dataclass
class Surroundings:
    """The conditions in which the samples were taken."""

    date: str
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    build: dict[str, str]


@dataclass
class RowResult:
    """The results of one row."""

    name: str
    title: str
    rounds: int
    servers: dict[str, ServerResult]

    def ratio(self, name: str, other: str, key: str) -> Ratio | None:
        """The figure of `name` divided by that of `other`; None if one was not measured, or not in full."""
        both = [self.servers.get(name), self.servers.get(other)]
        if any(server is None or server.figure(key) is None for server in both):
            return None
        pairs = zip(*(server.samples for server in both if server is not None), strict=True)
        ratios = [ours[key] / theirs[key] for ours, theirs in pairs if theirs[key] > 0]
        if not ratios:
            return None
        low, middle, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        return Ratio(middle, low, high)


def save(folder: Path, result: RowResult, surroundings: Surroundings) -> None:
    """Write `NAME.json`, in place of an earlier result of the row."""
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
    """Write findings and the conditions of the measurement, in place of earlier ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**asdict(around), **found}, indent=1) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """Read what `write` has written; None if nothing was measured."""
    return json.loads(path.read_text()) if path.exists() else None
