"""Many connections to one server process: what a connection costs, and what a message costs beside them."""

from __future__ import annotations

import resource
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from harness.figures import number, whole
from harness.loads import LONG, Echo, times
from harness.measure import MeasureError, Running, Sample, drive, holding, serving
from harness.places import Places
from harness.report import markdown
from harness.results import Surroundings, read, write

PREFIX = "scale-"
"""The prefix of the files, one for each number of connections: not every machine can open the larger
number."""
ACTIVE = 1_000
"""Connections that exchange messages while the others are idle."""
RESERVE = 200
"""Descriptors that a process needs besides those of its connections."""
PORTS = 1_000
"""Connections from one loopback address: many of its 28,000 ports are still in TIME-WAIT after earlier
runs."""
PATIENCE = 600.0


@dataclass
class Scale:
    """The measurements; lists have a figure for each round."""

    connections: int
    alone: list[Sample] = field(default_factory=list)
    """A run of the active connections, without any others."""
    beside: list[Sample] = field(default_factory=list)
    """The same, beside the idle connections."""
    held: list[Sample] = field(default_factory=list)
    """The opening of the idle connections, including a message each way."""
    rounds: list[Sample] = field(default_factory=list)
    """A run in which all connections exchange messages in lockstep."""


def descriptors(connections: int) -> None:
    """Raise the limit of descriptors as far as needed; `MeasureError` if the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVE
    if hard not in (resource.RLIM_INFINITY, -1) and hard < needed:
        raise MeasureError(
            f"{connections:,} connections need {needed:,} descriptors in one process, and the hard limit is "
            f"{hard:,} (ulimit -Hn): raise it, or take CONNECTIONS={max(0, hard - RESERVE)}"
        )
    if soft not in (resource.RLIM_INFINITY, -1) and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def measure(places: Places, loadgen: Path, connections: int, rounds: int) -> Scale:
    """Measure all rounds, each with fresh servers."""
    if connections <= ACTIVE:
        raise MeasureError(f"--connections is above {ACTIVE:,}, of which that many are active")
    descriptors(connections)
    found = Scale(connections)
    sources = ["--sources", str(min(250, -(-connections // PORTS)))]
    active = [*Echo(ACTIVE).messages(), *times(False, LONG), *sources]
    idle = ["--idle", str(connections - ACTIVE), "--size", "64", *sources]
    everyone = ["--connections", str(connections), "--warmup", "1", "--seconds", "5", *sources]
    for _ in range(rounds):
        with _server(places) as server:
            found.alone.append(drive(loadgen, server, active, PATIENCE))
            with holding(loadgen, server, idle, PATIENCE) as sample:
                found.held.append(sample)
                found.beside.append(drive(loadgen, server, active, PATIENCE))
        with _server(places) as server:
            found.rounds.append(drive(loadgen, server, everyone, PATIENCE))
    return found


def _server(places: Places) -> AbstractContextManager[Running]:
    return serving([places.python, places.peers / "wsrs_echo.py"], places.logs / "scale.log")


def save(folder: Path, found: Scale, around: Surroundings) -> None:
    """Write the measurements, in place of earlier ones of as many connections."""
    write(folder / f"{PREFIX}{found.connections}.json", around, asdict(found))


def sections(folder: Path) -> list[str]:
    """The sections of RESULTS.md, the fewest connections first."""
    documents = [document for path in folder.glob(f"{PREFIX}*.json") if (document := read(path)) is not None]
    return [_section(document) for document in sorted(documents, key=itemgetter("connections"))]


def _section(document: dict[str, Any]) -> str:
    found = Scale(**{key: document[key] for key in ("connections", "alone", "beside", "held", "rounds")})
    others = max(sample["others_busy"] for sample in (*found.alone, *found.beside, *found.rounds))
    machine = document["machine"]
    noted = [
        f"Other processes used up to {others:.0%} of a core meanwhile. "
        "That affects the times, but not the memory."
    ]
    if "TCG" in machine["processor"]:
        noted.append(EMULATED)
    return (
        f"## {found.connections:,} connections to one process\n\n"
        f"wsrs, callbacks, uvloop (`make scale`), measured {document['date']}, commit "
        f"{document['build']['commit']}, on\n{machine['processor']} with {machine['cores']} cores, kernel "
        f"{machine['kernel']}; medians of {len(found.alone)}.\n" + "\n".join(noted) + f"\n\n{table(found)}"
    )


EMULATED = (
    "This processor is emulated and much slower than a real one: compare its times only with each other."
)


def table(found: Scale) -> str:
    """The figures as a Markdown table."""
    idle = found.connections - ACTIVE
    alone, beside = (_of(each, "server_us_per_message") for each in (found.alone, found.beside))
    rows = [
        [f"memory per connection, {idle:,} after a message each way", f"{whole(_of(found.held, MEMORY))} B"],
        [f"CPU per message of {ACTIVE:,} active connections, without others", f"{number(alone)} µs"],
        [f"the same beside {idle:,} idle connections", f"{number(beside)} µs ({beside / alone:.2f} x)"],
        [
            f"a message and its echo on each of {found.connections:,}, all at once: p50, p99",
            f"{_ms(found, 'p50')}, {_ms(found, 'p99')}",
        ],
        ["messages per second during this", whole(_of(found.rounds, "messages_per_second"))],
    ]
    return markdown(["", "figure"], rows)


MEMORY = "server_bytes_per_connection"


def _ms(found: Scale, which: str) -> str:
    return f"{_of(found.rounds, f'latency_{which}_us') / 1e3:,.0f} ms"


def _of(samples: list[Sample], key: str) -> float:
    return median(sample[key] for sample in samples)
