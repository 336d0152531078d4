"""A program that runs beside the tests."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any


class Process:
    """A program that is started and ended here, and whose output is read."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.command = command
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **options,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=20)
        # A program stops once its output fills the pipe, so all of it is read.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tail.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """The first line that matches; RuntimeError if the program ends or `seconds` pass without one."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except queue.Empty:
                line = None
            if line is None:
                raise RuntimeError(f"{self.command[0]} did not say {pattern!r}, but: {''.join(self._tail)}")
            found = re.search(pattern, line)
            if found:
                return found

    def stop(self) -> None:
        """End the program, and wait for that."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
