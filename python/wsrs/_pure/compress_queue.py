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

__all__ = ["CompressQueue", "Frame"]


class Frame(NamedTuple):
    """A frame before it is compressed and masked."""

    first: int
    payload: bytes
    key: bytes | None
    deflater: Deflater | None
    """What compresses it."""
    fin: bool
    callback: SendCallback | None
    auto_pong: bool
    """It answers a ping by itself."""

    @property
    def is_long(self) -> bool:
        """Whether a thread is to compress it."""
        return self.deflater is not None and len(self.payload) > LONG

    def put(self, outbox: Outbox, payload: bytes | None = None) -> None:
        """Put it into `outbox`: with `payload` if a thread has made that, else compressed and masked here."""
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
        if self.callback is not None or self.auto_pong:
            outbox.mark(self.callback)


class CompressQueue:
    """The frame that a thread compresses, and those behind it."""

    __slots__ = ("_compressed", "_failed", "_job", "_limit", "_loop", "_outbox", "_waiting")

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
        self._waiting: deque[Frame] = deque()
        """The first is in the thread."""
        self._job: Job | None = None
        self._compressed = b""

    def push(self, frame: Frame) -> None:
        """Send `frame` when those before it are."""
        self._waiting.append(frame)
        self._outbox.bytes_behind += len(frame.payload)
        self._outbox.pongs += frame.auto_pong  # it counts while it waits here too
        if self._job is None:
            self._begin()

    def _begin(self) -> None:
        self._outbox.is_behind = True
        self._job = Job(self._loop, self._limit, self._compress, self._end)
        submit(self._job)

    def _compress(self, job: Job) -> None:
        """Make the payload of the first frame; called in a thread."""
        frame = self._waiting[0]
        assert frame.deflater is not None
        payload = frame.deflater.deflate_long(frame.payload, frame.fin, lambda: job.cancelled)
        if frame.key is not None:
            pieces = range(0, len(payload), PIECE)
            payload = b"".join([apply_mask(payload[at : at + PIECE], frame.key) for at in pieces])
        self._compressed = payload

    def _end(self, job: Job) -> None:
        if job is not self._job:
            return  # its frame was given up
        self._job = None
        if job.error is not None:
            self._failed(job.error)
            return
        payload, self._compressed = self._compressed, b""
        outbox, waiting = self._outbox, self._waiting
        self._put_next(payload)
        while waiting and not waiting[0].is_long:
            self._put_next(None)
        if waiting:
            self._begin()
        else:
            outbox.is_behind = False
        outbox.tick_after_thread()

    def _put_next(self, payload: bytes | None) -> None:
        frame = self._waiting.popleft()
        self._outbox.bytes_behind -= len(frame.payload)
        self._outbox.pongs -= frame.auto_pong
        frame.put(self._outbox, payload)

    def lose(self) -> list[SendCallback]:
        """Give up all frames; returns their callbacks, in order."""
        if self._job is not None:
            self._job.cancelled = True
            self._job = None
        waiting, self._waiting = self._waiting, deque()
        self._outbox.bytes_behind = 0
        self._outbox.is_behind = False
        return [frame.callback for frame in waiting if frame.callback is not None]
