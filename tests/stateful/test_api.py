"""The state machine, with the same examples in each run; `python -m tests.stateful` tries others."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Connection


def test_random_calls_in_random_states_keep_the_invariants() -> None:
    chosen = settings(
        max_examples=60,
        stateful_step_count=25,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Connection, settings=chosen)
