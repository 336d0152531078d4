"""One whole run: the rounds go over all servers in turn, so that changes over time affect all of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.loads import Broadcast, Client
from harness.measure import GENERATOR_CORE, MeasureError, Running, Sample, drive, drive_client, serving
from harness.places import Places, SetupError, say
from harness.results import RowResult, ServerResult
from harness.rows import Row
from harness.servers import Server
from harness.setup import make_certificate

DISTURBED = 0.15
"""A sample is disturbed if others used this much of a core meanwhile; it is then taken again."""
TRIES = 3


@dataclass
class Suite:
    """The settings of a run, and its errors."""

    places: Places
    servers: list[Server]
    loadgen: Path
    quick: bool
    unavailable: dict[str, str] = field(default_factory=dict)
    no_tls: str | None = None
    """The reason why there is no certificate for the TLS rows."""
    errors: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Build every server; record the reason for each that cannot be built."""
        outcome: dict[Callable[[Places], None], str | None] = {}
        for server in self.servers:
            for step in server.needs:
                if step not in outcome:
                    outcome[step] = self._attempt(step)
                reason = outcome[step]
                if reason is not None:
                    self.unavailable[server.name] = reason
                    if server.ours:
                        self.errors.append(f"{server.name} is not available: {reason}")
                    break
        if any(server.tls for server in self.servers):
            self.no_tls = self._attempt(make_certificate)

    def _attempt(self, step: Callable[[Places], None]) -> str | None:
        try:
            step(self.places)
        except SetupError as error:
            say(f"{error}")
            # The rest contains names of folders, and is for the terminal only.
            return str(error).partition("\n")[0].rstrip(":")
        return None

    def measure(self, row: Row, rounds: int) -> RowResult:
        """Measure all rounds of one row."""
        say(f"{row.title}")
        there = [server for server in self.servers if server.takes(row.load)]
        results = {server.name: self._begin(row, server) for server in there}
        wanted = [server for server in there if results[server.name].missing is None]
        with ExitStack() as stack:
            running: dict[str, Running] = {}
            for turn in range(rounds):
                # Each round begins with another server, so that none is always measured after the same one.
                first = turn % max(1, len(wanted))
                for server in wanted[first:] + wanted[:first]:
                    self._sample(row, server, results[server.name], running, stack)
        return RowResult(row.name, row.title, rounds, results)

    def _begin(self, row: Row, server: Server) -> ServerResult:
        missing = self.unavailable.get(server.name)
        if missing is None and row.load.deflate and server.deflate is None:
            missing = "has no permessage-deflate"
        if missing is None and row.load.tls:
            missing = self.no_tls
        return ServerResult(server.title, missing, [])

    def _sample(
        self, row: Row, server: Server, result: ServerResult, running: dict[str, Running], stack: ExitStack
    ) -> None:
        if result.missing is not None:
            return
        try:
            if row.fresh:
                with self._serving(row, server) as fresh:
                    result.samples.append(self._drive(row, server, fresh))
            else:
                if server.name not in running:
                    running[server.name] = stack.enter_context(self._serving(row, server))
                result.samples.append(self._drive(row, server, running[server.name]))
        except MeasureError as error:
            result.missing = str(error).replace(str(self.places.root), ".").partition("\n")[0]
            self.errors.append(f"{row.name}: {server.name}: {error}")
            say(f"  {server.name}: {error}")

    def _serving(self, row: Row, server: Server) -> AbstractContextManager[Running]:
        log = self.places.logs / f"{row.name}.{server.name}.log"
        if isinstance(row.load, Client):
            return serving([self.places.native("floor")], log, GENERATOR_CORE)
        options = [server.deflate] if row.load.deflate and server.deflate is not None else []
        if isinstance(row.load, Broadcast):
            options.append("--broadcast")
        return serving([*server.command(self.places), *options, *self._tls(row)], log)

    def _tls(self, row: Row) -> list[str]:
        return ["--tls", str(self.places.certificate)] if row.load.tls else []

    def _drive(self, row: Row, server: Server, running: Running) -> Sample:
        """Take a sample; if several are disturbed, keep the least disturbed."""
        arguments = [*row.load.arguments(self.quick), *self._tls(row)]
        best: Sample | None = None
        for _ in range(1 if self.quick else TRIES):
            if isinstance(row.load, Client) and server.client is not None:
                sample = drive_client(server.client(self.places), running, arguments)
            else:
                sample = drive(self.loadgen, running, arguments)
            if best is None or _others(sample) < _others(best):
                best = sample
            if _others(best) < DISTURBED:
                break
        if best is None:
            raise MeasureError("no sample was taken")
        return best


def _others(sample: Sample) -> float:
    return sample.get("others_busy", 0.0)
