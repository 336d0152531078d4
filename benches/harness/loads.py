"""The loads: the generator's options, and what is counted.

A load has `deflate` (whether permessage-deflate is negotiated), `tls` (whether TLS is used), `counted` (the
unit of its rate), `sides` (the one that is measured, and the one that puts load on it) and `rounds` (how
often a full run measures each server).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

SIDES = ("server", "generator")

LONG = (0.5, 2.0)
"""Seconds to warm up and to measure, in a full run, for loads that take long to begin: few, long rounds."""
SHORT = (0.2, 0.4)
"""Loads that begin at once are measured in many short rounds. A server and the one that it is compared with
then have the same share of the times in which the machine is faster or slower."""
QUICK = (0.1, 0.3)


@dataclass(frozen=True)
class Echo:
    """`connections` send messages of `size` bytes, and each keeps `depth` in flight (1 is lockstep)."""

    connections: int
    depth: int = 1
    size: int = 64
    kind: str = "binary"
    deflate: bool = False
    tls: bool = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES
    rounds: ClassVar[int] = 25

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, including those of time."""
        return [*self.messages(), *times(quick, SHORT)]

    def messages(self) -> list[str]:
        """The load generator's options, without those of time."""
        load = ["--connections", str(self.connections), "--depth", str(self.depth)]
        message = ["--size", str(self.size), "--kind", self.kind]
        return [*load, *message, *(["--deflate"] if self.deflate else [])]


@dataclass(frozen=True)
class Idle:
    """`connections` are opened and held; with `size`, each first exchanges a message of so many bytes."""

    connections: int
    size: int | None = None
    deflate: bool = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES
    rounds: ClassVar[int] = 5

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, which are the same in a quick run."""
        arguments = ["--idle", str(self.connections)]
        if self.size is not None:
            arguments += ["--size", str(self.size), "--kind", "text"]
        return [*arguments, *(["--deflate"] if self.deflate else [])]


@dataclass(frozen=True)
class Broadcast:
    """One of `connections` keeps `depth` messages in flight, and the server sends each of them to all."""

    connections: int
    depth: int = 1
    size: int = 128
    kind: str = "binary"
    deflate: bool = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES
    rounds: ClassVar[int] = 5

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, including those of time."""
        as_echo = Echo(self.connections, self.depth, self.size, self.kind, self.deflate)
        return ["--broadcast", *as_echo.messages(), *times(quick, LONG)]


@dataclass(frozen=True)
class Accept:
    """`connections` at a time are opened, upgraded, closed by the closing handshake, and opened again."""

    connections: int
    deflate: ClassVar[bool] = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "connections/s"
    sides: ClassVar[tuple[str, str]] = SIDES
    rounds: ClassVar[int] = 5

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, including those of time."""
        return ["--accept", "--connections", str(self.connections), *times(quick, LONG)]


@dataclass(frozen=True)
class Client:
    """The reverse: a client is measured, which keeps one message in flight on each connection."""

    connections: int
    size: int = 64
    deflate: ClassVar[bool] = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = ("client", "floor")
    rounds: ClassVar[int] = 25

    def arguments(self, quick: bool) -> list[str]:
        """The client's options, including those of time."""
        return ["--connections", str(self.connections), "--size", str(self.size), *times(quick, SHORT)]


def times(quick: bool, full: tuple[float, float]) -> list[str]:
    """The options of time: those in `full`, or the shorter ones of a quick run."""
    warmup, seconds = QUICK if quick else full
    return ["--warmup", str(warmup), "--seconds", str(seconds)]


Load = Echo | Idle | Broadcast | Accept | Client
