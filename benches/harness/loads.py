"""The loads: what the generator is told, and what is counted.

A load has `deflate` (permessage-deflate is agreed on), `tls` (TLS is spoken), `counted` (what a rate is of)
and `sides` (the one that is measured, and the one that makes it work).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

SIDES = ("server", "generator")


@dataclass(frozen=True)
class Echo:
    """`connections` send messages of `size` bytes and keep `depth` of them each in flight (1: lockstep)."""

    connections: int
    depth: int = 1
    size: int = 64
    kind: str = "binary"
    deflate: bool = False
    tls: bool = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, those of time included."""
        load = ["--connections", str(self.connections), "--depth", str(self.depth)]
        message = ["--size", str(self.size), "--kind", self.kind]
        return [*load, *message, *_times(quick), *(["--deflate"] if self.deflate else [])]


@dataclass(frozen=True)
class Idle:
    """`connections` are opened and held; with `size`, after one message of so many bytes each way."""

    connections: int
    size: int | None = None
    deflate: bool = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options; a quick run is the same."""
        arguments = ["--idle", str(self.connections)]
        if self.size is not None:
            arguments += ["--size", str(self.size), "--kind", "text"]
        return [*arguments, *(["--deflate"] if self.deflate else [])]


@dataclass(frozen=True)
class Broadcast:
    """One of `connections` sends, `depth` messages being under way, and the server sends each to all."""

    connections: int
    depth: int = 1
    size: int = 128
    kind: str = "binary"
    deflate: bool = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = SIDES

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, those of time included."""
        as_echo = Echo(self.connections, self.depth, self.size, self.kind, self.deflate)
        return ["--broadcast", *as_echo.arguments(quick)]


@dataclass(frozen=True)
class Accept:
    """`connections` at a time are opened, upgraded, closed by the closing handshake, and opened anew."""

    connections: int
    deflate: ClassVar[bool] = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "connections/s"
    sides: ClassVar[tuple[str, str]] = SIDES

    def arguments(self, quick: bool) -> list[str]:
        """The load generator's options, those of time included."""
        return ["--accept", "--connections", str(self.connections), *_times(quick)]


@dataclass(frozen=True)
class Client:
    """The other way round: a client is measured, which keeps one message in flight on each connection."""

    connections: int
    size: int = 64
    deflate: ClassVar[bool] = False
    tls: ClassVar[bool] = False
    counted: ClassVar[str] = "messages/s"
    sides: ClassVar[tuple[str, str]] = ("client", "floor")

    def arguments(self, quick: bool) -> list[str]:
        """The client's options, those of time included."""
        return ["--connections", str(self.connections), "--size", str(self.size), *_times(quick)]


def _times(quick: bool) -> list[str]:
    return ["--warmup", "0.1", "--seconds", "0.3"] if quick else ["--warmup", "0.5", "--seconds", "2"]


Load = Echo | Idle | Broadcast | Accept | Client
