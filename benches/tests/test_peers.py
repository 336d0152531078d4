"""The peers that must run without an extension do so, and refuse to run otherwise; clients measure echoes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.loads import Echo
from harness.rows import PURE, ROWS, Row
from harness.servers import SERVERS

PEERS = Path(__file__).resolve().parent.parent / "peers"
PLAIN = [server for server in SERVERS if server.plain]
BLOCKED = """
import os, runpy, sys
sys.modules["websockets.speedups"] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_pure_servers_are_in_the_plain_echo_rows_and_in_no_others() -> None:
    assert len(PLAIN) == 6

    def has_all(row: Row) -> bool:
        there = [server for server in PLAIN if server.takes(row.load)]
        assert there in ([], PLAIN)
        return bool(there)

    for row in ROWS:
        assert has_all(row) == (isinstance(row.load, Echo) and not row.load.deflate and not row.load.tls), (
            row.name
        )
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
def test_a_peer_starts_on_the_named_implementation(command: tuple[str, ...]) -> None:
    file, *options = command
    with subprocess.Popen(
        [sys.executable, PEERS / file, *options], stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdout is not None
        said = peer.stdout.readline()  # empty if it has ended
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
def test_a_peer_refuses_to_run_on_another_implementation(
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


@pytest.mark.skipif(sys.platform != "linux", reason="the clients read the floor's CPU time in /proc")
@pytest.mark.parametrize(
    "client",
    [
        ("wsrs_client.py",),
        ("wsrs_client.py", "--style", "iter", "--loop", "asyncio"),
        ("websockets_client.py",),
        ("aiohttp_client.py",),
    ],
    ids=" ".join,
)
def test_a_client_measures_its_echoes(client: tuple[str, ...]) -> None:
    file, *options = client
    with subprocess.Popen(
        [sys.executable, PEERS / "wsrs_echo.py"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split()[1]
        words = ["--port", port, "--server-pid", str(server.pid), "--connections", "3", "--size", "300"]
        done = subprocess.run(
            [sys.executable, PEERS / file, *words, "--warmup", "0.05", "--seconds", "0.1", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        server.terminate()
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures["messages"] > 0
    assert figures["client_us_per_message"] > 0
    assert figures["messages_per_second"] == pytest.approx(figures["messages"] / figures["seconds"], rel=0.01)


def test_the_tls_and_client_rows_have_the_servers_that_can_do_that() -> None:
    def names(row_name: str) -> set[str]:
        load = next(row.load for row in ROWS if row.name == row_name)
        return {server.name for server in SERVERS if server.takes(load)}

    ours = {"wsrs", "wsrs-asyncio", "wsrs-iter", "wsrs-iter-asyncio"}
    assert names("tls-lockstep-100") == ours | {"picows", "aiohttp", "websockets", "uvicorn", "ws"}
    assert names("client-lockstep-100") == ours | {"picows", "aiohttp", "websockets", "ws"}
    assert names("accept") == ours | {
        "floor",
        "picows",
        "aiohttp",
        "websockets",
        "uvicorn",
        "socketify",
        "ws",
    }
