"""Threads that compress and inflate long messages beside the event loops.

zlib gives the GIL up while it works. Rules kept here:

- There is one queue for the process, served in order; a job starts while fewer than its connection's
  `concurrency_limit` run, those of all connections counted, as ws's limiter counts them.
- Threads start with the first job and end after a while without one. They are daemons: an executor's
  threads would be waited for when the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from wsrs._pure.hold import INFLATING

if TYPE_CHECKING:
    from wsrs._pure.delivery import Delivery
    from wsrs._pure.message import Message

__all__ = ["LONG", "PIECE", "Job", "inflate", "stop_inflating", "submit"]

LONG = 64 * 1024
"""Bytes of a message beyond which it is compressed by a thread, and of output beyond which it is inflated
by one."""

PIECE = 1024 * 1024
"""Bytes after which a job checks whether it was cancelled."""

_IDLE = 5.0
"""Seconds that a thread without work stays."""
_MOST_THREADS = max(os.cpu_count() or 1, 4)


class Job:
    """One piece of work for a connection: `work(job)` in a thread, then `done(job)` in the loop.

    What `work` raises is in `error` then.
    """

    __slots__ = ("_call", "_done", "_work", "cancelled", "error", "limit")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        work: Callable[[Job], object],
        done: Callable[[Job], object],
    ) -> None:
        self._call = loop.call_soon_threadsafe
        self._work = work
        self._done = done
        self.limit = limit
        self.cancelled = False
        """The result is no longer wanted."""
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it, unless it is cancelled."""
        try:
            if not self.cancelled:
                self._work(self)
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        """Tell the loop."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits for this any more
            self._call(self._done, self)


class _Pool:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start afresh: a forked process has none of its parent's threads, but perhaps a held lock."""
        self._news = threading.Condition()
        self._queue: deque[Job] = deque()
        self._running = 0
        self._threads = 0
        self._idle = 0

    def submit(self, job: Job) -> None:
        with self._news:
            self._queue.append(job)
            if len(self._queue) > self._idle and self._threads < min(_MOST_THREADS, job.limit):
                self._begin_thread()
            self._news.notify()
            jobs, self._queue = ((), self._queue) if self._threads else (self._queue, deque())
        # No thread could be started: the jobs are done here, in the loop.
        for each in jobs:
            each.run()
            each.deliver()

    def _begin_thread(self) -> None:
        """Start one more, if the system lets us."""
        self._threads += 1
        try:
            threading.Thread(target=self._serve, name="wsrs-deflate", daemon=True).start()
        except (RuntimeError, MemoryError):
            self._threads -= 1

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._news:
                self._running -= 1
            job.deliver()
            del job  # it must not keep alive what it holds until the next one comes

    def _next(self) -> Job | None:
        with self._news:
            while not (self._queue and self._running < self._queue[0].limit):
                self._idle += 1
                news = self._news.wait(_IDLE)
                self._idle -= 1
                if not news and not self._queue:
                    self._threads -= 1
                    return None
            self._running += 1
            job = self._queue.popleft()
            if self._queue:
                self._news.notify()
            return job


_pool = _Pool()

if hasattr(os, "register_at_fork"):  # pragma: no branch: Windows has none
    os.register_at_fork(after_in_child=_pool.begin)


def submit(job: Job) -> None:
    """Have a thread do `job`."""
    _pool.submit(job)


def inflate(connection: Delivery, work: Message) -> None:
    """Have a thread inflate a message. Nothing is delivered until that is done."""
    connection._hold |= INFLATING
    done = partial(_inflated, connection)
    connection._inflating = Job(connection._loop, connection._concurrency_limit, work.inflate_rest, done)
    submit(connection._inflating)


def _inflated(connection: Delivery, job: Job) -> None:
    if job is connection._inflating:
        connection._inflating = None
        connection._hold &= ~INFLATING
        # The error's traceback refers to the job, so both would keep each other, and the message, alive.
        error, job.error = job.error, None
        connection._receiver.give_work(error)
        del error
        connection._deliver()


def stop_inflating(connection: Delivery) -> None:
    """Stop the thread that inflates, if there is one: its result is no longer needed."""
    if connection._inflating is not None:
        connection._inflating.cancelled = True
        connection._inflating = None
        connection._hold &= ~INFLATING  # earlier messages may still have to be delivered
        connection._receiver.finish()
