"""The Rust core and the pure core do the same, under scripts that are the same in every run.

`python -m tests.differential` tries many more, from any seed.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsrs import _pure

from .run import difference
from .scripts import Script, make_script

_core: Any = pytest.importorskip("wsrs._core", reason="compares the Rust core with the Python one")


def scripts(*, compressed: bool) -> st.SearchStrategy[Script]:
    """Scripts drawn by hypothesis, which shrinks a failing one."""

    def make(random: Random) -> Script:
        return make_script(random, compressed=compressed)

    return st.randoms(use_true_random=False).map(make)


as_often = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@as_often
@given(script=scripts(compressed=False))
def test_events_errors_output_and_state_are_the_same(script: Script) -> None:
    assert difference((_core, _pure), script) == ""


@as_often
@given(script=scripts(compressed=True))
def test_with_compression_the_same_messages_come_and_go(script: Script) -> None:
    assert difference((_core, _pure), script) == ""
