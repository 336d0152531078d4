"""A state machine of hypothesis over a server and a client of ours, connected over loopback.

After every step: states only go forward; `'close'` comes once and last; the received messages are the
beginning of those that the other end has sent, in order and equal; nothing is reported to the loop. At the
end: everything that was sent before an orderly close has arrived, and no task is left.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import wsrs
from wsrs._active_core import core

PATIENCE = 4.0

Data = str | bytes

data = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    st.builds(bytes, st.integers(0, 200_000)),
    st.integers(0, 70_000).map(lambda length: "é" * length),
)
ends = st.sampled_from(["server", "client"])


class End:
    """One end, with a record of what it has sent and received."""

    def __init__(self, ws: Any, loop: asyncio.AbstractEventLoop, *, pulls: bool) -> None:
        self.ws = ws
        self.sent: list[Data] = []
        self.received: list[Data] = []
        self.events: list[str] = []
        self.states = [ws.ready_state]
        self.closes: list[int] = []
        self.terminated = False
        self.outcomes: list[asyncio.Future[Any]] = []
        self._loop = loop
        self._go_on = asyncio.Event()
        self._go_on.set()
        self.iteration: asyncio.Task[None] | None = None
        if pulls:
            # This comes before any listener: from here on no message is dropped.
            messages = aiter_of(ws)
            self.iteration = loop.create_task(self._iterate(messages))
        else:
            ws.on("message", self._message)
        for event in ("open", "ping", "pong", "error"):
            ws.on(event, lambda *args, event=event: self.events.append(event))
        ws.on("close", self._closed)

    def _message(self, payload: bytes, is_binary: bool) -> None:
        self.events.append("message")
        self.received.append(payload if is_binary else payload.decode())

    async def _iterate(self, messages: Any) -> None:
        try:
            async for message in messages:
                self.received.append(message)
                await self._go_on.wait()
        except (wsrs.WebSocketError, OSError) as error:
            self.events.append(type(error).__name__)

    def hold(self) -> None:
        self._go_on.clear()

    def go_on(self) -> None:
        self._go_on.set()

    def _closed(self, code: int, reason: bytes) -> None:
        self.closes.append(code)
        self.events.append("close")

    def keep(self, awaitable: Any) -> None:
        """Await the result of a call in a task; its exception is checked at the end."""

        async def wait() -> None:
            await awaitable

        self.outcomes.append(self._loop.create_task(wait()))

    def check(self) -> None:
        """Check what must hold at any time."""
        self.states.append(self.ws.ready_state)
        assert self.states == sorted(self.states), self.states
        assert len(self.closes) == (1 if self.ws.ready_state == wsrs.CLOSED else 0)
        if self.iteration is None and self.closes:
            assert self.events[-1] == "close", self.events
        assert self.ws.buffered_amount >= 0


def aiter_of(ws: Any) -> Any:
    """`ws` as an iterator: `aiter`, before it is first awaited."""
    return ws.__aiter__()


class Connection(RuleBasedStateMachine):
    """Both ends of a connection, from the construction of the client on."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self.reports: list[Any] = []
        self.ends: dict[str, End] = {}
        self._reactor = core.reactor

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `work` in a single task, so that all other tasks belong to the connection."""
        task = self.loop.create_task(work)
        late = self.loop.call_later(PATIENCE, task.cancel)
        try:
            return self.loop.run_until_complete(task)
        finally:
            late.cancel()

    @initialize(
        uvloop=st.booleans(),
        of_loop=st.booleans(),
        compressed=st.booleans(),
        synchronous=st.booleans(),
        pulls=st.tuples(st.booleans(), st.booleans()),
        at_once=st.booleans(),
    )
    def connect(
        self,
        uvloop: bool,
        of_loop: bool,
        compressed: bool,
        synchronous: bool,
        pulls: tuple[bool, bool],
        at_once: bool,
    ) -> None:
        """Choose the loop, the transports and the options, and whether each end has listeners or iterates."""
        if uvloop and sys.platform != "win32":
            import uvloop as library

            self.loop.close()
            self.loop = library.new_event_loop()
        if of_loop:
            core.reactor = lambda loop: None  # type: ignore[method-assign]
        self.loop.set_exception_handler(lambda loop, context: self.reports.append(context))
        options: Any = {
            "per_message_deflate": compressed,
            "allow_synchronous_events": synchronous,
            "heartbeat": 60.0,
        }
        self.run(self._connect(options, pulls, at_once))

    async def _connect(self, options: Any, pulls: tuple[bool, bool], at_once: bool) -> None:
        self.server = wsrs.WebSocketServer(port=0, host="127.0.0.1", **options)

        def connected(ws: Any, request: Any) -> None:
            self.ends["server"] = End(ws, self.loop, pulls=pulls[0])

        self.server.on("connection", connected)
        await self.server.wait_listening()
        address = self.server.address()
        assert isinstance(address, dict)
        client: Any = wsrs.WebSocket(f"ws://127.0.0.1:{address['port']}", options)
        self.ends["client"] = End(client, self.loop, pulls=pulls[1])
        if not at_once:
            await client.wait_open()

    def call(self, end: str, act: Callable[[End], Any]) -> None:
        """Make a call on one end within the loop; it does nothing if that end does not exist yet."""

        async def calling() -> None:
            if end in self.ends:
                act(self.ends[end])

        self.run(calling())

    # Calls of a program -------------------------------------------------------------------------

    @rule(end=ends, message=data, compress=st.sampled_from([None, True, False]))
    def send(self, end: str, message: Data, compress: bool | None) -> None:
        def act(of: End) -> None:
            state = of.ws.ready_state
            try:
                of.keep(of.ws.send(message, compress=compress))
            except wsrs.WebSocketError:
                assert state == wsrs.CONNECTING
                return
            assert state != wsrs.CONNECTING
            if state == wsrs.OPEN:
                of.sent.append(message)

        self.call(end, act)

    @rule(end=ends, parts=st.lists(st.binary(max_size=300), min_size=2, max_size=4))
    def send_in_fragments(self, end: str, parts: list[bytes]) -> None:
        def act(of: End) -> None:
            if of.ws.ready_state != wsrs.OPEN:
                return
            for place, part in enumerate(parts):
                of.ws.send(part, fin=place == len(parts) - 1)
            of.sent.append(b"".join(parts))

        self.call(end, act)

    @rule(end=ends, kind=st.sampled_from(["ping", "pong"]), payload=st.binary(max_size=125))
    def control(self, end: str, kind: str, payload: bytes) -> None:
        def act(of: End) -> None:
            if of.ws.ready_state != wsrs.CONNECTING:
                of.keep(getattr(of.ws, kind)(payload))

        self.call(end, act)

    @rule(end=ends, what=st.sampled_from(["pause", "resume", "hold", "go_on"]))
    def flow(self, end: str, what: str) -> None:
        self.call(end, lambda of: getattr(of if what in ("hold", "go_on") else of.ws, what)())

    @rule(end=ends, code=st.sampled_from([None, 1000, 1001, 3000, 4999]))
    def close(self, end: str, code: int | None) -> None:
        def act(of: End) -> None:
            of.terminated |= of.ws.ready_state == wsrs.CONNECTING
            of.ws.close(code)

        self.call(end, act)

    @rule(end=ends)
    def terminate(self, end: str) -> None:
        def act(of: End) -> None:
            of.terminated = True
            of.ws.terminate()

        self.call(end, act)

    @rule(message=data)
    def broadcast(self, message: Data) -> None:
        def act(of: End) -> None:
            if self.server.broadcast(message, slow="send").sent:
                of.sent.append(message)

        self.call("server", act)

    @rule(count=st.integers(1, 6))
    def let_the_loop_run(self, count: int) -> None:
        async def ticks() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.run(ticks())

    # Invariants ---------------------------------------------------------------------------------

    @invariant()
    def everything_is_in_order(self) -> None:
        for of in self.ends.values():
            of.check()
        self._compare()
        assert self.reports == []

    def _compare(self) -> None:
        if len(self.ends) == 2:
            server, client = self.ends["server"], self.ends["client"]
            for sender, receiver in ((server, client), (client, server)):
                assert receiver.received == sender.sent[: len(receiver.received)]

    def teardown(self) -> None:
        try:
            if self.ends:
                self.run(self._finish())
        finally:
            core.reactor = self._reactor  # type: ignore[method-assign]
            self.loop.close()

    async def _finish(self) -> None:
        for of in self.ends.values():
            of.ws.resume()
            of.go_on()
        client = self.ends["client"].ws
        if client.ready_state < wsrs.CLOSING:
            await asyncio.gather(client.wait_open(), return_exceptions=True)
            client.close(1000)
        await asyncio.gather(*(of.ws.wait_closed() for of in list(self.ends.values())))
        await self.server.shutdown()
        for of in self.ends.values():
            await asyncio.gather(*of.outcomes, return_exceptions=True)
            for outcome in of.outcomes:
                assert isinstance(outcome.exception(), wsrs.ConnectionClosed | None)
            if of.iteration is not None:
                await of.iteration
            of.check()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=2)
        assert not left, left
        self._compare()
        if len(self.ends) == 2 and not any(of.terminated for of in self.ends.values()):
            server, client_end = self.ends["server"], self.ends["client"]
            assert 1006 not in server.closes + client_end.closes
            assert client_end.received == server.sent
            assert server.received == client_end.sent
        assert self.reports == []
