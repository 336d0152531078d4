#!/usr/bin/env python3
"""Measure wsrs, its floor and its peers side by side, and judge the budgets. See README.md.

Exits with 0 if everything was measured, with 1 on errors (one of our servers is not available, or a run
failed), and with 2 if, under `--strict`, a budget was missed or could not be measured.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.pages import render
from harness.places import Places, SetupError, end_in_order, say
from harness.report import budgets, table
from harness.results import Surroundings, save
from harness.rows import ROWS, Row
from harness.servers import SERVERS, Server
from harness.setup import build_native
from harness.suite import Suite
from harness.surroundings import surroundings
from harness.verdicts import Verdict, judge

QUICK_ROUNDS = 3
QUICK_IDLE_ROUNDS = 1


def main() -> int:
    """Run the benches as the command line says."""
    end_in_order()
    options = _options()
    quick = options.quick or bool(os.environ.get("QUICK"))
    places = Places(Path(__file__).resolve().parent.parent)
    rows = [row for row in ROWS if (row.name in options.rows if options.rows else row.quick or not quick)]
    servers = [server for server in SERVERS if not options.servers or server.name in options.servers]
    published = not quick and not options.servers
    if options.render:
        return render(places, published)
    if sys.platform != "linux":
        say("the floor and the load generator need Linux's epoll: nothing was measured")
        return 1
    try:
        loadgen = build_native(places)["loadgen"]
    except SetupError as error:
        say(str(error))
        return 1
    suite = Suite(places, servers, loadgen, quick)
    results = places.results(published)
    suite.prepare()
    around = surroundings(places, servers, quick)
    verdicts = [verdict for row in rows for verdict in _measure(suite, row, around, options.rounds, results)]
    print(budgets(verdicts))
    render(places, published)
    return _outcome(suite, verdicts, options.strict)


def _measure(
    suite: Suite, row: Row, around: Surroundings, rounds: int | None, results: Path
) -> list[Verdict]:
    usual = (QUICK_IDLE_ROUNDS if row.fresh else QUICK_ROUNDS) if suite.quick else row.load.rounds
    result = suite.measure(row, rounds or usual)
    save(results, result, around)
    print(f"{row.title}\n\n{table(row, result)}", flush=True)
    return judge(row, result)


def _outcome(suite: Suite, verdicts: list[Verdict], strict: bool) -> int:
    missed = sum(verdict.passed is False for verdict in verdicts)
    unmeasured = sum(verdict.passed is None for verdict in verdicts)
    say(f"budgets: {len(verdicts) - missed - unmeasured} pass, {missed} missed, {unmeasured} not measured")
    for name, reason in suite.unavailable.items():
        say(f"not available: {name}: {reason}")
    for error in suite.errors:
        say(f"error: {error}")
    if suite.errors:
        return 1
    return 2 if strict and (missed or unmeasured) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows, fewer and shorter rounds (also: QUICK=1)"
    )
    parser.add_argument(
        "--rounds", type=_positive, help="rounds of each row, instead of 25 or 5 (3 if quick)"
    )
    parser.add_argument(
        "--rows", nargs="+", choices=[row.name for row in ROWS], metavar="ROW", help=_names(ROWS)
    )
    parser.add_argument(
        "--servers", nargs="+", choices=[s.name for s in SERVERS], metavar="SERVER", help=_names(SERVERS)
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 if a budget is missed or not measured"
    )
    parser.add_argument("--render", action="store_true", help="only render the pages anew")
    return parser.parse_args()


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _names(things: tuple[Row, ...] | tuple[Server, ...]) -> str:
    return "any of: " + ", ".join(thing.name for thing in things)


if __name__ == "__main__":
    sys.exit(main())
