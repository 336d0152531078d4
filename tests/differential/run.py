"""Runs a script on one core and records what happens, so that two cores can be compared."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.core.harness import READ, MemoryTransport, Side, fixed_mask
from wsrs.errors import ConnectionClosed

from .scripted_loop import ScriptedLoop
from .scripts import Script, Step


class Recorder(Side):
    """Records each call with the types of its arguments, and makes the calls of the script within it."""

    def __init__(self, run: Run, core: Any, **options: Any) -> None:
        self.run = run
        super().__init__(core, run.loop, run.script.is_server, **options)  # type: ignore[arg-type]

    def told(self, *event: Any) -> object:
        self.events.append(event)
        return self.run.inside()

    def on_message(self, data: Any, is_binary: bool) -> object:
        return self.told("binary" if is_binary else "text", type(data).__name__, data)

    def _on_ping(self, data: bytes) -> None:
        self.told("ping", data)

    def _on_pong(self, data: bytes) -> None:
        self.told("pong", data)

    def _on_close_frame(self, code: int, reason: bytes) -> None:
        self.told("close", code, reason)

    def _on_fail(self, ws_code: str, close_code: int, message: str) -> None:
        # The two DEFLATE decoders describe a bad stream in different words.
        self.told("fail", ws_code, close_code, "" if ws_code == "Z_DATA_ERROR" else message)

    def _on_end(self) -> None:
        self.told("end")

    def _on_lost(self, error: BaseException | None) -> None:
        self.told("lost", repr(error))

    def _on_listener_error(self, error: BaseException) -> None:
        self.told("listener error", repr(error))

    def _on_listener_result(self, result: object) -> None:
        self.told("listener result", result)


class Run:
    """One core under a script. `log` and `sent` are compared."""

    def __init__(self, core: Any, loop: ScriptedLoop, script: Script) -> None:
        self.loop = loop
        self.script = script
        self.log: list[Any] = []
        self.sent: list[bytes] = []
        """What was written, kept apart from the log: compressed, it need not be the same."""
        self.callbacks: list[tuple[int, str]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.waiting: list[asyncio.Task[Any]] = []
        self.arrived: deque[bytes | None] = deque()
        """Pieces that the peer has sent and the transport has not yet read; None is its FIN."""
        self.left_inside = deque(script.inside)
        self.is_inside = False
        self.is_cut_short = False
        """The transport ended while the peer did not read."""
        self.is_deaf = False
        """True if nothing arrives any more."""
        loop.reports.clear()
        options = dict(script.options)
        if script.negotiated is not None:
            deflate = core.PerMessageDeflate(is_server=script.is_server, threshold=4)
            deflate.accept([{name: [True] for name in script.negotiated}])
            options["deflate"] = deflate
        self.side = Recorder(
            self, core, start=script.starts_at_once, tls=script.tls, generate_mask=fixed_mask, **options
        )
        self.transport: MemoryTransport = self.side.transport
        for step in script.steps:
            self.do(step)
        self.finish()

    def do(self, step: Step) -> object:
        """Do one step. An exception that it raises is compared as well."""
        name, *arguments = step
        try:
            return getattr(self, f"do_{name}")(*arguments)
        except Exception as error:
            self.log.append((name, type(error).__name__, str(error)))
            return None

    def inside(self) -> object:
        """Make the next call of the script, from within a call of the owner or the listener."""
        if not self.left_inside:
            return None
        step = self.left_inside.popleft()
        if step[0] == "fault":
            raise ValueError("a fault of the program")
        if step[0] == "nothing":
            return "nothing"
        self.is_inside = True
        self.do(step)
        self.is_inside = False
        return None

    def finish(self) -> None:
        """End everything that still exists, from the outside in."""
        self.do_rest()
        for end in (self.do_drain, self.side.connection.abort, lambda: self.do_finish(False)):
            end()
            self.do_rest()
        for task in self.tasks:
            task.cancel()
        self.do_rest()

    def note(self) -> None:
        """Record what has arrived, and what can be seen of the connection's state."""
        connection, transport = self.side.connection, self.transport
        waiting = connection.buffered_amount
        self.log.append(
            (
                tuple(self.side.events),
                tuple(self.callbacks),
                tuple(self.loop.reports),
                tuple(outcome(task) for task in self.tasks),
                ("paused", connection.is_paused),
                ("form", connection.binary_type),
                ("attached", connection.transport is not None),
                ("stalls", self.side.stalls),
                ("reading", transport.closing or transport.is_reading()),
                # Compressed, the same message need not have the same length.
                ("waiting", waiting if self.script.negotiated is None else waiting > 0),
            )
        )
        # While a slow peer blocks the transport, the size of the writes decides how much of the queue the
        # transport holds, and whether its end was already asked for: so also whether by halves.
        if not transport.paused_writing:
            calls = [call for call in transport.calls if not call.endswith("reading")]
            ended_twice = ("hold",) in self.script.steps and calls[:2] == ["write_eof", "close"]
            self.log.append(calls[1:] if ended_twice else calls)
            self.sent.append(b"".join(transport.written))
            transport.written.clear()
        for seen in (self.side.events, self.callbacks, self.loop.reports):
            seen.clear()

    # The loop and the wire --------------------------------------------------------------------------

    def do_tick(self) -> None:
        """A round of the loop: it makes the calls that were asked for, then the transport reads."""
        self.loop.round()
        self.take_input()
        self.loop.join()

    def take_input(self) -> None:
        transport = self.transport
        if not self.is_readable():
            return
        piece = self.arrived.popleft()
        if piece is not None:
            self.side.feed(piece)
            return
        if self.script.tls and self.holds_a_part():
            self.do_drain()  # the FIN closes such a transport, which would drop the part that it still holds
        if not self.side.connection.eof_received():
            self.is_cut_short = transport.paused_writing
            transport.close()

    def is_readable(self) -> bool:
        """True if the transport has input to deliver."""
        transport = self.transport
        return bool(self.arrived) and not (self.is_deaf or transport.closing) and transport.is_reading()

    def holds_a_part(self) -> bool:
        """True if more than one write waits: the cores may differ in how much of that the transport has."""
        return self.transport.paused_writing and self.side.connection.buffered_amount > READ

    def do_rest(self) -> None:
        """Run rounds until nothing more happens, then record the state."""
        for _ in range(1000):
            self.do_tick()
            if self.loop.ready:
                continue
            if not self.is_readable():
                break
        else:
            self.log.append("no rest")
        later, self.loop.later = self.loop.later, []
        for function, arguments in later:
            function(*arguments)
        self.note()

    def do_feed(self, data: bytes) -> None:
        # A transport delivers nothing after the FIN.
        if None not in self.arrived and data:
            self.arrived.append(data)

    def do_eof(self) -> None:
        self.arrived.append(None)

    def do_lose(self) -> None:
        # The loop is idle first: the cores may differ in whether they still give data that is queued in the
        # same tick to the dead transport, which drops it.
        self.do_rest()
        self.is_cut_short |= self.transport.paused_writing
        is_part = self.holds_a_part()
        self.transport.lose(ConnectionResetError("reset"))
        if is_part:
            self.loop.round()  # tells the loss at once: until then the transport counts bytes that it drops

    def do_hold(self) -> None:
        self.transport.hold = True

    def do_drain(self) -> None:
        self.transport.hold = False
        if self.is_cut_short:
            # The peer never reads this. For how much the transport was given, and whether its end was asked
            # for, see `note`.
            self.transport.written.clear()
            self.transport.calls[:] = [call for call in self.transport.calls if call.endswith("reading")]
        self.transport.drain()

    # The API ----------------------------------------------------------------------------------------

    def do_start(self, head: bytes) -> None:
        self.side.connection.start(head)

    def do_send(self, data: object, binary: Any, compress: Any, fin: bool, mask: Any) -> None:
        self.begin(self.side.connection.send(data, binary, compress, fin, mask, self.callback()))

    def do_ping(self, data: Any, mask: Any) -> None:
        self.begin(self.side.connection.ping(data, mask, self.callback()))

    def do_pong(self, data: Any, mask: Any) -> None:
        self.begin(self.side.connection.pong(data, mask, self.callback()))

    def do_send_close(self, code: int | None, reason: bytes) -> None:
        self.side.connection.send_close(code, reason, None, self.callback())

    def do_pause(self) -> None:
        self.side.connection.pause()

    def do_resume(self) -> None:
        self.side.connection.resume()

    def do_recv(self, iterating: bool) -> None:
        # If two tasks ask at once, the later one gets an error. While the first is being woken, the order of
        # the calls within a round decides which is the later: so the first must really wait, or be done.
        if any(not task.done() for task in self.waiting):
            if self.is_inside:
                return
            self.do_rest()
        connection = self.side.connection
        self.waiting.append(self.begin(connection.next() if iterating else connection.recv()))

    def do_cancel(self) -> None:
        if self.waiting:
            self.waiting[-1].cancel()

    def do_listen(self, listen: bool) -> None:
        self.side.connection.message_listener = self.side.on_message if listen else None

    def do_form(self, form: str) -> None:
        self.side.connection.binary_type = form

    def do_discard(self, discard: bool) -> None:
        self.side.connection.discard = discard

    def do_end(self) -> None:
        # A transport without a half-close stops reading when it is closed. While the peer does not read, the
        # size of the writes decides when that is, see `note`: so the peer sends nothing more then.
        self.is_deaf |= self.script.tls and self.holds_a_part()
        self.side.connection.end()

    def do_abort(self) -> None:
        self.is_cut_short = self.transport.paused_writing
        self.side.connection.abort()

    def do_finish(self, orderly: bool) -> None:
        self.side.connection.finish(ConnectionClosed(1000 if orderly else 1006), orderly)

    def callback(self) -> Callable[[BaseException | None], None]:
        number = len(self.tasks)
        return lambda error: self.callbacks.append((number, repr(error)))

    def begin(self, awaitable: Any) -> asyncio.Task[Any]:
        async def wait() -> Any:
            return await awaitable

        task = asyncio.Task(wait(), loop=self.loop)  # type: ignore[arg-type]
        self.tasks.append(task)
        return task


def outcome(task: asyncio.Task[Any]) -> object:
    """The outcome of a task, in a form that can be compared."""
    if not task.done():
        return "waits"
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return (type(task.result()).__name__, task.result()) if error is None else repr(error)


def read_back(core: Any, loop: ScriptedLoop, script: Script, output: bytes) -> list[Any]:
    """The messages that a peer on `core` decodes from the output of one side."""
    deflate = core.PerMessageDeflate(is_server=not script.is_server)
    deflate.accept([{name: [True] for name in script.negotiated or ()}])
    peer = Side(core, loop, not script.is_server, deflate=deflate, skip_utf8_validation=True)  # type: ignore[arg-type]
    peer.feed(output)
    loop.join()
    events = list(peer.events)
    peer.connection.abort()
    while loop.ready:
        loop.round()
        loop.join()
    return events


def difference(cores: tuple[Any, Any], script: Script) -> str:
    """The differences between the two cores under `script`; empty if there are none."""
    loop = ScriptedLoop()
    one, other = (Run(core, loop, script) for core in cores)
    for number, (mine, theirs) in enumerate(zip(one.log, other.log, strict=False)):
        if mine != theirs:
            return f"look {number}:\n  {mine!r}\n  {theirs!r}"
    if len(one.log) != len(other.log):
        return f"{len(one.log)} looks, {len(other.log)}"
    if script.negotiated is None:
        return "" if one.sent == other.sent else f"output:\n  {one.sent!r}\n  {other.sent!r}"
    outputs = [b"".join(run.sent) for run in (one, other)]
    read = [read_back(core, loop, script, output) for core in cores for output in outputs]
    return "" if read == [read[0]] * 4 else f"messages: {read!r}"
