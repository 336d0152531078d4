"""A short `make soak` runs, compares and ends. Growth would show only after minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self")
def test_a_short_soak_has_no_faults_but_growth() -> None:
    words = [sys.executable, str(SOAK), "--minutes", "0.05", "--rest", "0.025"]
    words += ["--connections", "20", "--every", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    result = json.loads(done.stdout[done.stdout.index("{") :])
    assert result["messages"] > 100
    assert set(result["faults"]) <= {"memory grows", "descriptors grow"}, result
    assert len(result["heap at rest"]) == 2
    assert min(result["blocks at rest"]) > 10_000
    # Without connections: the listening socket, those of the loop, and those that a process begins with.
    assert max(result["descriptors at rest"]) < 30
