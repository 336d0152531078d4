"""Starts a server, drives it, and reads the figures."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

SERVER_CORE = 0
GENERATOR_CORE = 1
PATIENCE = 60.0
"""Seconds that a server may take to start, and that a run may take beyond its own time."""

Sample = dict[str, float]
"""The JSON that the load generator prints."""


class MeasureError(Exception):
    """A server or a run failed; the text says how."""


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes that are started within this context, with their threads, run on `core` alone."""
    before = os.sched_getaffinity(0)
    if core not in before:
        raise MeasureError(
            f"the benches need cores {SERVER_CORE} and {GENERATOR_CORE} for themselves, {core} is not there"
        )
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Running:
    """A server that listens."""

    process: subprocess.Popen[str]
    port: int

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self.process.poll() is None


@contextmanager
def serving(
    command: Sequence[str | Path], log: Path, core: int = SERVER_CORE, patience: float = PATIENCE
) -> Iterator[Running]:
    """Start a server on its core, wait for `listening PORT`, and end it afterwards."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stderr, on_core(core):
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        yield Running(process, _port(process, log, patience))
    finally:
        process.terminate()
        try:
            process.wait(patience / 12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _port(process: subprocess.Popen[str], log: Path, patience: float) -> int:
    line = _line(process.stdout, patience)
    words = line.split()
    if len(words) != 2 or words[0] != "listening" or not words[1].isdecimal():
        raise MeasureError(f"did not start: {_last_line(log) or line or 'no word from it'}")
    return int(words[1])


def _line(stream: IO[str] | None, patience: float) -> str:
    """A line from a pipe, or the part of it (possibly empty) that came in time."""
    if stream is None:
        return ""
    deadline = monotonic() + patience
    got = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while b"\n" not in got and selector.select(max(0.0, deadline - monotonic())):
            chunk = os.read(stream.fileno(), 4096)
            if not chunk:
                break
            got += chunk
    return got.decode().strip()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def drive(loadgen: Path, server: Running, arguments: Sequence[str], patience: float = PATIENCE) -> Sample:
    """Run the load generator, on its core, against `server`."""
    return _line_of([str(loadgen), *_whom(server), *arguments], GENERATOR_CORE, patience)


@contextmanager
def holding(
    loadgen: Path, server: Running, arguments: Sequence[str], patience: float = PATIENCE
) -> Iterator[Sample]:
    """Hold the connections of an idle run while the caller does something else."""
    with on_core(GENERATOR_CORE):
        process = subprocess.Popen(
            [str(loadgen), *_whom(server), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        line = _line(process.stdout, patience)
        if not line:
            raise MeasureError(
                process.communicate(timeout=patience)[1].strip()
                or "the load generator reported no idle connections"
            )
        sample: Sample = json.loads(line)
        yield sample
        _, stderr = process.communicate(timeout=patience)
        if process.returncode != 0:
            raise MeasureError(f"the idle connections: {stderr.strip()}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def drive_client(command: Sequence[str | Path], floor: Running, arguments: Sequence[str]) -> Sample:
    """Measure one run of a client against the floor; the client has the core of the measured side."""
    return _line_of([*(str(word) for word in command), *_whom(floor), *arguments], SERVER_CORE, PATIENCE)


def _whom(server: Running) -> list[str]:
    return ["--port", str(server.port), "--server-pid", str(server.process.pid)]


def _line_of(words: Sequence[str], core: int, patience: float) -> Sample:
    """Run a program on `core`, and return the line of JSON that it prints."""
    with on_core(core):
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    # An idle run holds its connections until stdin ends; it has printed everything by then.
    try:
        line = _line(process.stdout, patience)
        _, stderr = process.communicate(timeout=patience)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0 or not line:
        said = [line for line in stderr.splitlines() if line.strip()]
        raise MeasureError(said[-1] if said else f"{Path(words[0]).name} said nothing")
    parsed: Sample = json.loads(line)
    return parsed
