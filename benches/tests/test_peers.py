"""Each of the peers that must run without an extension does, and says so if it is started otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.rows import PURE, ROWS, Echo, Row
from harness.servers import SERVERS

PEERS = Path(__file__).resolve().parent.parent / "peers"
PLAIN = [server for server in SERVERS if server.plain]
BLOCKED = """
import runpy, sys
sys.modules["websockets.speedups"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_pure_servers_are_in_the_plain_echo_rows_and_in_no_others() -> None:
    assert len(PLAIN) == 6

    def has_all(row: Row) -> bool:
        there = [server for server in PLAIN if server.takes(row.load)]
        assert there in ([], PLAIN)
        return bool(there)

    for row in ROWS:
        assert has_all(row) == (isinstance(row.load, Echo) and not row.load.deflate), row.name
    judged = {row.name for row in ROWS if set(PURE) <= set(row.budgets)}
    assert judged == {"lockstep-100", "pipelined", "large-64-kib"}


@pytest.mark.parametrize(
    "command",
    [
        ("wsrs_echo.py", "--backend", "core"),
        ("wsrs_echo.py", "--backend", "pure"),
        ("wsrs_echo.py", "--backend", "pure", "--style", "iter", "--loop", "asyncio"),
        ("websockets_echo.py",),
        ("websockets_echo.py", "--without-extension", "--loop", "asyncio"),
    ],
    ids=" ".join,
)
def test_a_peer_starts_on_what_it_was_told(command: tuple[str, ...]) -> None:
    file, *options = command
    with subprocess.Popen(
        [sys.executable, PEERS / file, *options], stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdout is not None
        said = peer.stdout.readline()  # nothing, if it has ended
        peer.terminate()
    assert said.startswith("listening ")


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (
            [str(PEERS / "wsrs_echo.py")],
            {"WSRS_PURE_PYTHON": "1"},
            "wsrs runs on its backend pure, not core",
        ),
        (
            ["-c", BLOCKED, str(PEERS / "websockets_echo.py")],
            {},
            "websockets runs without its C extension",
        ),
    ],
)
def test_a_peer_refuses_to_be_measured_on_something_else(
    words: list[str], environment: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", said)
