"""Budgets against results."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results import RowResult
from harness.rows import Budget, Row


@dataclass(frozen=True)
class Verdict:
    """What came of one budget: `passed` is None where it could not be measured."""

    row: Row
    budget: Budget
    demand: str
    measured: str
    passed: bool | None

    @property
    def word(self) -> str:
        """pass, MISS, or that it was not measured."""
        return {True: "pass", False: "MISS", None: "not measured"}[self.passed]


def judge(row: Row, result: RowResult) -> list[Verdict]:
    """The verdict on each budget of a row."""
    return [_judge(row, result, budget) for budget in row.budgets]


def _judge(row: Row, result: RowResult, budget: Budget) -> Verdict:
    demand = _demand(budget)
    missing = _missing(result, budget)
    ours = _figure(result, budget.server, budget)
    theirs = 1.0 if budget.peer is None else _figure(result, budget.peer, budget)
    if missing is not None or ours is None or theirs is None:
        return Verdict(row, budget, demand, missing or f"no {budget.metric.title}", None)
    if budget.peer is None and budget.at_most is not None:
        return Verdict(row, budget, demand, f"{ours:,.0f} {budget.metric.unit}", ours <= budget.at_most)
    if budget.at_most is not None:
        ratio = ours / theirs if theirs > 0 else float("inf")
        return Verdict(row, budget, demand, f"{ratio:.2f} x", ratio <= budget.at_most)
    ratio = theirs / ours if ours > 0 else float("inf")
    return Verdict(row, budget, demand, f"{ratio:.1f} x", ratio >= (budget.at_least or 0.0))


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


def _figure(result: RowResult, name: str, budget: Budget) -> float | None:
    server = result.servers.get(name)
    return None if server is None else server.figure(budget.metric.key)
