"""Frames that wait while a thread compresses a long message of their connection: nothing overtakes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from wsrs._backend.contract import SendCallback
from wsrs._pure.deflate import Deflater
from wsrs._pure.frame import JOINED, apply_mask, write_header
from wsrs._pure.outbox import Outbox
from wsrs._pure.thread_pool import LONG, PIECE, Job, submit

__all__ = ["Elsewhere", "Frame"]


class Frame(NamedTuple):
    """A frame before it is compressed and masked."""

    first: int
    payload: bytes
    key: bytes | None
    deflater: Deflater | None
    """What compresses it."""
    fin: bool
    callback: SendCallback | None
    is_answer: bool

    @property
    def is_long(self) -> bool:
        """Whether a thread is to compress it."""
        return self.deflater is not None and len(self.payload) > LONG

    def put(self, outbox: Outbox, payload: bytes | None = None) -> None:
        """Queue it: `payload`, if it was made in a thread, else what it is to be compressed and masked to."""
        if payload is None:
            payload = self.payload
            if self.deflater is not None:
                payload = self.deflater.deflate(payload, self.fin)
            if self.key is not None:
                payload = apply_mask(payload, self.key)
        header = write_header(self.first, len(payload), self.key)
        if len(payload) < JOINED:
            outbox.put(header + payload)
        else:
            outbox.put(header)
            outbox.put(payload)
        if self.callback is not None or self.is_answer:
            outbox.mark(self.callback)


class Elsewhere:
    """The frame that a thread makes, and those behind it."""

    __slots__ = ("_failed", "_frames", "_job", "_limit", "_loop", "_made", "_outbox")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        outbox: Outbox,
        limit: int,
        failed: Callable[[BaseException], object],
    ) -> None:
        self._loop = loop
        self._outbox = outbox
        self._limit = limit
        self._failed = failed
        self._frames: deque[Frame] = deque()
        """The first is in the thread."""
        self._job: Job | None = None
        self._made = b""

    def add(self, frame: Frame) -> None:
        """Send `frame` when those before it are."""
        self._frames.append(frame)
        self._outbox.elsewhere += len(frame.payload)
        self._outbox.pongs += frame.is_answer  # it counts while it waits here too
        if self._job is None:
            self._start()

    def _start(self) -> None:
        self._outbox.is_waiting = True
        self._job = Job(self._loop, self._limit, self._make, self._finished)
        submit(self._job)

    def _make(self, job: Job) -> None:
        """In the thread."""
        frame = self._frames[0]
        assert frame.deflater is not None
        made = frame.deflater.deflate_long(frame.payload, frame.fin, lambda: job.cancelled)
        if frame.key is not None:
            pieces = range(0, len(made), PIECE)
            made = b"".join([apply_mask(made[at : at + PIECE], frame.key) for at in pieces])
        self._made = made

    def _finished(self, job: Job) -> None:
        if job is not self._job:
            return  # dropped
        self._job = None
        if job.error is not None:
            self._failed(job.error)
            return
        made, self._made = self._made, b""
        outbox, frames = self._outbox, self._frames
        self._put(made)
        while frames and not frames[0].is_long:
            self._put(None)
        if frames:
            self._start()
        else:
            outbox.is_waiting = False
        outbox.tick_after_thread()

    def _put(self, made: bytes | None) -> None:
        frame = self._frames.popleft()
        self._outbox.elsewhere -= len(frame.payload)
        self._outbox.pongs -= frame.is_answer
        frame.put(self._outbox, made)

    @property
    def is_busy(self) -> bool:
        """Whether frames wait, or one is being made."""
        return self._job is not None

    def drop(self) -> list[SendCallback]:
        """Forget them; returns the callbacks of what was not sent."""
        if self._job is not None:
            self._job.cancelled = True
            self._job = None
        frames, self._frames = self._frames, deque()
        self._outbox.elsewhere = 0
        self._outbox.is_waiting = False
        return [frame.callback for frame in frames if frame.callback is not None]
