"""Judges the budgets by the results."""

from __future__ import annotations

from dataclasses import dataclass

from harness.figures import number
from harness.results import RowResult
from harness.rows import Budget, Row


@dataclass(frozen=True)
class Verdict:
    """The outcome of one budget: `passed` is None if it could not be measured."""

    row: Row
    budget: Budget
    demand: str
    measured: str
    passed: bool | None

    @property
    def word(self) -> str:
        """The verdict in a word or two: pass, MISS or not measured."""
        return {True: "pass", False: "MISS", None: "not measured"}[self.passed]


def judge(row: Row, result: RowResult) -> list[Verdict]:
    """The verdicts on the budgets of a row."""
    return [_judge(row, result, budget) for budget in row.budgets]


def _judge(row: Row, result: RowResult, budget: Budget) -> Verdict:
    demand = _demand(budget)
    key = budget.metric.key
    missing = _missing(result, budget) or f"no {budget.metric.title}"
    if budget.peer is None:
        server = result.servers.get(budget.server)
        figure = None if server is None else server.figure(key)
        if figure is None or budget.at_most is None:
            return Verdict(row, budget, demand, missing, None)
        return Verdict(row, budget, demand, f"{figure:,.0f} {budget.metric.unit}", figure <= budget.at_most)
    if budget.at_most is not None:
        ratio = result.ratio(budget.server, budget.peer, key)
        passed = ratio is not None and ratio.median <= budget.at_most
    else:
        ratio = result.ratio(budget.peer, budget.server, key)
        passed = ratio is not None and ratio.median >= (budget.at_least or 0.0)
    if ratio is None:
        return Verdict(row, budget, demand, missing, None)
    figures = f"{number(ratio.median)} x ({number(ratio.low)} to {number(ratio.high)})"
    return Verdict(row, budget, demand, figures, passed)


def _demand(budget: Budget) -> str:
    what = f"{budget.server}: {budget.metric.title}"
    if budget.peer is None:
        return f"{what} ≤ {budget.at_most:,.0f} {budget.metric.unit}"
    if budget.at_most is not None:
        return f"{what} ≤ {budget.at_most:.2f} x {budget.peer}"
    return f"{what}: ≥ {budget.at_least:g} x as good as {budget.peer}"


def _missing(result: RowResult, budget: Budget) -> str | None:
    for name in (budget.server, budget.peer):
        if name is None:
            continue
        if name not in result.servers:
            return f"{name} was not in this run"
        reason = result.servers[name].missing
        if reason is not None:
            return f"{name}: {reason}"
    return None
