"""`python -m tests.stateful --examples N --seed S`: other examples than those of the suite."""

from __future__ import annotations

import argparse
import time

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

import wsrs

from .machine import Connection


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stateful", description=__doc__)
    parser.add_argument("--examples", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--steps", type=int, default=40, help="the most calls in each example (default: 40)")
    parser.add_argument("--seed", type=int, default=None, help="the same examples again")
    options = parser.parse_args()
    machine = Connection if options.seed is None else hypothesis.seed(options.seed)(Connection)
    chosen = settings(
        max_examples=options.examples,
        stateful_step_count=options.steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    begun = time.monotonic()
    run_state_machine_as_test(machine, settings=chosen)
    seconds = time.monotonic() - begun
    print(f"{options.examples} examples on the core {wsrs.backend!r} in {seconds:.0f} s: no fault")


if __name__ == "__main__":
    main()
