"""User instructions of wsrs's server per message, counted by callgrind: they do not drift with the machine.

The count is the difference between two runs of different length, so it includes neither the start, the
handshakes and the end, nor the kernel's work.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.figures import whole
from harness.loads import Echo
from harness.measure import MeasureError, drive, serving
from harness.places import Places, SetupError, say
from harness.report import markdown
from harness.results import Surroundings, read, write

NAME = "instructions.json"
LENGTHS = (4_000, 16_000)
"""The numbers of messages of the shorter and the longer run."""
PATIENCE = 300.0
"""Seconds for a start or a run: under callgrind everything takes some fifty times as long."""
LOADS = {
    "100 connections in lockstep, callbacks": Echo(100),
    "10 connections, 64 messages in flight, callbacks": Echo(10, depth=64),
}
CORES = {"core": "Rust core", "pure": "pure core"}


@dataclass(frozen=True)
class Count:
    """One line of the table, with both runs."""

    backend: str
    work: str
    messages: tuple[float, float]
    instructions: tuple[int, int]

    @property
    def per_message(self) -> float:
        """User instructions per message."""
        return (self.instructions[1] - self.instructions[0]) / (self.messages[1] - self.messages[0])


def valgrind() -> str:
    """The path of valgrind; `SetupError` if it is not installed."""
    found = shutil.which("valgrind")
    if found is None:
        raise SetupError("valgrind is not installed (Debian: valgrind): no instructions were counted")
    return found


def count(places: Places, loadgen: Path, backend: str, work: str) -> Count:
    """Measure both runs of one line."""
    runs = [_run(places, loadgen, backend, LOADS[work], length) for length in LENGTHS]
    (short, little), (long, much) = runs
    return Count(backend, work, (short, long), (little, much))


def _run(places: Places, loadgen: Path, backend: str, load: Echo, length: int) -> tuple[float, int]:
    """The number of messages that were measured, and the instructions of the whole run."""
    out = places.logs / f"callgrind.{backend}.{load.depth}.{length}"
    out.unlink(missing_ok=True)
    # Callgrind slows the server down some fifty times: in its usual slice of time it would do little.
    slices = ["--time-slice", "1"]
    peer: list[str | Path] = [places.python, places.peers / "wsrs_echo.py", "--backend", backend, *slices]
    tool = [valgrind(), "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
    arguments = ["--connections", str(load.connections), "--depth", str(load.depth), "--size", str(load.size)]
    arguments += ["--warmup", "0", "--count", str(length)]
    log = places.logs / f"callgrind.{backend}.log"
    with serving([*tool, *peer], log, patience=PATIENCE) as running:
        sample = drive(loadgen, running, arguments, PATIENCE)
    if not out.exists():
        raise MeasureError("callgrind left no file")
    return sample["messages"], total(out.read_text(errors="replace"))


def total(text: str) -> int:
    """The total of instructions in a file of callgrind."""
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if found is None:
        raise MeasureError("callgrind's file has no total")
    return int(found[1])


def save(folder: Path, counts: list[Count], around: Surroundings) -> None:
    """Write the counts in place of earlier ones."""
    write(folder / NAME, around, {"counts": [asdict(each) for each in counts]})


def section(folder: Path) -> str | None:
    """The section of RESULTS.md; None if nothing was counted."""
    document = read(folder / NAME)
    if document is None:
        return None
    counts = [
        Count(each["backend"], each["work"], tuple(each["messages"]), tuple(each["instructions"]))
        for each in document["counts"]
    ]
    rows = [[CORES[each.backend], each.work, whole(each.per_message)] for each in counts]
    said = {**document["versions"], **document["build"]}
    versions = ", ".join(f"{key} {value}" for key, value in said.items() if key in SAID)
    return (
        "## Instructions\n\n"
        "Callgrind counts the server's user instructions for a message of 64 B (`make instructions`), as\n"
        f"the difference between a run of {LENGTHS[1]:,} messages and one of {LENGTHS[0]:,}. The count does\n"
        "not drift with the machine, and it does not include the kernel's instructions.\n"
        f"Counted {document['date']} ({versions}).\n\n"
        + markdown(["core", "work", "instructions per message"], rows)
    )


SAID = ("python", "uvloop", "wsrs", "rustc", "commit")
"""The versions and build that a count depends on."""


def tell(counts: list[Count]) -> None:
    """Print the counts on stderr."""
    for each in counts:
        say(f"{CORES[each.backend]}, {each.work}: {each.per_message:,.0f} instructions per message")
