"""uvicorn in processes of its own, as users start it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.peers import within

START = 60.0
"""Seconds that a busy machine may take to start Python and a framework."""


class Uvicorn:
    """A running `uvicorn`, and what it has written to its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""
        self.port = 0

    async def read_until(self, pattern: str, *, times: int = 1) -> None:
        """Read the log until `pattern` has come so often."""
        assert self.process.stderr is not None
        while len(re.findall(pattern, self.log)) < times:
            line = await within(self.process.stderr.readline(), START)
            self.log += line.decode()
            assert line, self.log

    async def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stderr is not None
        self.log += (await within(self.process.stderr.read(), START)).decode()
        return await within(self.process.wait(), START)


@contextlib.asynccontextmanager
async def uvicorn(folder: Path, program: str, *words: str) -> AsyncIterator[Uvicorn]:
    """Run `program` by uvicorn's command line, with more `words` on it."""
    (folder / "app.py").write_text(program, encoding="utf-8")
    command = ["uvicorn", "--ws", "wsrs.uvicorn:WSProtocol", "--port", "0", *words, "app:app"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    running = Uvicorn(process)
    try:
        await running.read_until(r"running on http://127\.0\.0\.1:\d+")
        running.port = int(re.findall(r"running on http://127\.0\.0\.1:(\d+)", running.log)[0])
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await within(process.wait(), START)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()
