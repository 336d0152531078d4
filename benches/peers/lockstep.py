"""Shared by the clients: their options, the count of echoes, and the readings at both ends of the measured
time.

A client opens its connections, sends a message on each, and the next one when that has come back. Its output
has the names of the load generator's JSON: `server_busy` is the measured side, which is the client here, and
`generator_busy` is the other, the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop


class Lockstep:
    """The options of a run, and the number of echoes so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.url = f"ws://127.0.0.1:{arguments.port}/"
        self.connections: int = arguments.connections
        self.payload = bytes(range(256)) * (arguments.size // 256) + bytes(range(arguments.size % 256))
        self.echoes = 0
        self._arguments = arguments

    def echoed(self, data: bytes) -> None:
        """Count an echo that has come."""
        if len(data) != len(self.payload):
            raise SystemExit(f"an echo has {len(data)} bytes, not {len(self.payload)}")
        self.echoes += 1

    async def measure(self) -> None:
        """Wait for the measured time to begin and end, print the figures, and end the process."""
        await asyncio.sleep(self._arguments.warmup)
        begin = self._edge()
        await asyncio.sleep(self._arguments.seconds)
        echoes, own, floor, machine, at = (
            after - before for before, after in zip(begin, self._edge(), strict=True)
        )
        if not echoes:
            raise SystemExit("no echo came")
        figures = {
            "messages": echoes,
            "seconds": at,
            "messages_per_second": echoes / at,
            "client_us_per_message": own / echoes * 1e6,
            "server_busy": own / at,
            "generator_busy": floor / at,
            "others_busy": max(0.0, (machine - own - floor) / at),
        }
        print(json.dumps({key: round(value, 6) for key, value in figures.items()}), flush=True)
        os._exit(0)  # messages in flight do not matter any more

    def _edge(self) -> tuple[float, ...]:
        own = time.process_time()
        return self.echoes, own, cpu_of(self._arguments.server_pid), cpu_of_all(), time.perf_counter()


def cpu_of(pid: int) -> float:
    """The CPU time of a process with one thread, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def cpu_of_all() -> float:
    """How long all processors together were busy, in seconds: user, nice, system, irq, softirq and steal."""
    ticks = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    return sum(int(ticks[place]) for place in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every client."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--port", type=int, required=True)
    made.add_argument("--server-pid", type=int, required=True)
    made.add_argument("--connections", type=int, default=1)
    made.add_argument("--size", type=int, default=64)
    made.add_argument("--warmup", type=float, default=0.5)
    made.add_argument("--seconds", type=float, default=2.0)
    made.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    return made


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """Run a client on the loop of that name."""
    (uvloop.run if loop == "uvloop" else asyncio.run)(main)
