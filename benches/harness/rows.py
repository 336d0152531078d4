"""The measurements: each `Row` becomes a table in the results, and decides its budgets.

To add a row, add it to `ROWS`; to compare by something new, add a `Metric`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.loads import Accept, Broadcast, Client, Echo, Idle, Load

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Metric:
    """A figure of a sample, of which less is better."""

    key: str
    """The name of the figure in the load generator's JSON."""
    title: str
    unit: str


CPU = Metric("server_us_per_message", "server CPU per message", "µs")
WIRE = Metric("wire_bytes_received", "bytes received per message", "B")
MEMORY = Metric("server_bytes_per_connection", "memory per connection", "B")
PEAK = Metric("server_peak_bytes_per_connection", "at its peak", "B")
ACCEPT = Metric("server_us_per_connection", "server CPU per connection accepted", "µs")
CYCLE = Metric("server_us_per_message", "server CPU per connection opened and closed", "µs")
CLIENT = Metric("client_us_per_message", "client CPU per message", "µs")


@dataclass(frozen=True)
class Budget:
    """The target of `server`: a figure of `at_most` times the `peer`'s, or one that is `at_least` times as
    good.

    Without a `peer`, `at_most` is an absolute figure.
    """

    server: str
    peer: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    metric: Metric = CPU

    def __post_init__(self) -> None:
        """Refuse a budget without a target, or with two."""
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a budget has either at_most or at_least")
        if self.peer is None and self.at_most is None:
            raise ValueError("a budget without a peer has at_most")


@dataclass(frozen=True)
class Row:
    """One load for all servers, the metrics to show (budgets compare the first), and the budgets."""

    name: str
    title: str
    load: Load
    metrics: tuple[Metric, ...]
    budgets: tuple[Budget, ...]
    quick: bool = False
    """True if a quick run that names no rows includes it."""

    @property
    def fresh(self) -> bool:
        """True if each sample needs a fresh server, because memory does not come back by itself."""
        return isinstance(self.load, Idle)


def _broadcast(name: str, title: str, load: Broadcast, *budgets: Budget) -> Row:
    return Row(name, f"broadcast of 128 B to 5,000 connections, {title}", load, (CPU,), budgets)


def _deflate(name: str, size: int, connections: int, aiohttp: float, *more: Budget) -> Row:
    title = f"permessage-deflate echo, {name} of JSON, {connections} connections in lockstep"
    load = Echo(connections, size=size, kind="text", deflate=True)
    budgets = (
        Budget("wsrs", "aiohttp", at_least=aiohttp),
        Budget("wsrs", "aiohttp", at_most=1.0, metric=WIRE),
        *more,
    )
    return Row(f"deflate-{name.lower().replace(' ', '-')}", title, load, (CPU, WIRE), budgets)


PURE = (
    Budget("wsrs-pure", "websockets-pure", at_least=1),
    Budget("wsrs-pure-iter", "websockets-pure", at_least=1),
    Budget("wsrs-pure-asyncio", "websockets-pure-asyncio", at_least=1),
    Budget("wsrs-pure-iter-asyncio", "websockets-pure-asyncio", at_least=1),
)
"""Of the pure core: it is not slower than the other library that works without an extension."""

ROWS: tuple[Row, ...] = (
    Row("lockstep-1", "echo 64 B, one connection in lockstep", Echo(1), (CPU,), ()),
    Row(
        "lockstep-100",
        "echo 64 B, 100 connections in lockstep",
        Echo(100),
        (CPU,),
        (Budget("wsrs", "floor", at_most=1.10), Budget("wsrs", "picows", at_most=0.85), *PURE),
        quick=True,
    ),
    Row(
        "lockstep-1000",
        "echo 64 B, 1,000 connections in lockstep",
        Echo(1000),
        (CPU,),
        (Budget("wsrs", "floor", at_most=1.15), Budget("wsrs", "picows", at_most=0.75)),
        quick=True,
    ),
    Row(
        "pipelined",
        "echo 64 B, 10 connections, 64 messages in flight on each",
        Echo(10, depth=64),
        (CPU,),
        (
            Budget("wsrs", "picows", at_least=15),
            Budget("wsrs", "ws", at_least=18),
            Budget("wsrs", "socketify", at_least=12),
            Budget("wsrs-iter", "picows", at_least=9),
            Budget("wsrs-iter", "websockets", at_least=35),
            *PURE,
        ),
        quick=True,
    ),
    Row(
        "large-64-kib",
        "echo 64 KiB, 10 connections in lockstep",
        Echo(10, size=64 * KIB),
        (CPU,),
        (Budget("wsrs", "floor", at_most=1.10), Budget("wsrs", "aiohttp", at_least=2), *PURE),
        quick=True,
    ),
    Row(
        "large-1-mib",
        "echo 1 MiB, 4 connections in lockstep",
        Echo(4, size=MIB),
        (CPU,),
        (Budget("wsrs", "floor", at_most=1.10), Budget("wsrs", "aiohttp", at_least=2)),
        quick=True,
    ),
    _deflate("64 B", 64, 100, 2.5, Budget("wsrs", "ws", at_least=5)),
    _deflate("2 KiB", 2 * KIB, 100, 2.5),
    _deflate("64 KiB", 64 * KIB, 10, 1.3),
    Row(
        "idle-10000",
        "10,000 connections accepted and held idle",
        Idle(10_000),
        (MEMORY, ACCEPT),
        (
            Budget("wsrs", at_most=2 * KIB, metric=MEMORY),
            Budget("wsrs", "ws", at_most=1.0, metric=ACCEPT),
        ),
    ),
    Row(
        "idle-10000-deflate",
        "10,000 connections with permessage-deflate, after one message of 1 KiB each way",
        Idle(10_000, size=KIB, deflate=True),
        (MEMORY, PEAK),
        (Budget("wsrs", at_most=8 * KIB, metric=MEMORY),),
    ),
    Row(
        "accept",
        "connections opened, upgraded and closed again, 50 at a time",
        Accept(50),
        (CYCLE,),
        (Budget("wsrs", "ws", at_most=1.0, metric=CYCLE),),
    ),
    Row(
        "tls-lockstep-100",
        "TLS: echo 64 B, 100 connections in lockstep",
        Echo(100, tls=True),
        (CPU,),
        (),
    ),
    Row(
        "tls-large-64-kib",
        "TLS: echo 64 KiB, 10 connections in lockstep",
        Echo(10, size=64 * KIB, tls=True),
        (CPU,),
        (),
    ),
    Row(
        "client-lockstep-100",
        "clients: 64 B to the floor and back, 100 connections in lockstep",
        Client(100),
        (CLIENT,),
        (),
    ),
    _broadcast("broadcast-5000", "one at a time", Broadcast(5000)),
    _broadcast(
        "broadcast-5000-burst",
        "16 at a time",
        Broadcast(5000, depth=16),
        Budget("wsrs", "picows", at_least=3),
    ),
    _broadcast(
        "broadcast-5000-deflate",
        "of JSON with permessage-deflate, one at a time",
        Broadcast(5000, kind="text", deflate=True),
    ),
)
"""In the order of the results. The budgets are those of the project's design."""
