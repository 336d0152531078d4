"""The runner's verdicts and notes, and a page that has what the result files have."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.loads import Echo
from harness.report import document, table
from harness.results import RowResult, ServerResult, Surroundings, load, save
from harness.rows import CPU, MEMORY, ROWS, Budget, Row
from harness.servers import SERVERS
from harness.verdicts import judge

AROUND = Surroundings(
    "2026-01-01 00:00 UTC", False, {"cores": "2"}, {"python": "3.14"}, {"profile": "release"}
)


def server(*cpu: float, missing: str | None = None, **more: float) -> ServerResult:
    """A server with one sample for each given CPU time."""
    return ServerResult("a server", missing, [{"server_us_per_message": value, **more} for value in cpu])


def row(*budgets: Budget) -> Row:
    """A row with these budgets."""
    return Row("row", "some work", Echo(1), (CPU,), budgets)


@pytest.mark.parametrize(
    ("budget", "measured", "word"),
    [
        (Budget("wsrs", "floor", at_most=1.2), "1.2 x (1.15 to 3.1)", "pass"),
        (Budget("wsrs", "floor", at_most=1.1), "1.2 x (1.15 to 3.1)", "MISS"),
        (Budget("wsrs", "ws", at_least=5), "10 x (7.5 to 15)", "pass"),
        (Budget("wsrs", "ws", at_least=11), "10 x (7.5 to 15)", "MISS"),
        (Budget("wsrs", "picows", at_most=9), "picows: is not installed", "not measured"),
        (Budget("wsrs", "aiohttp", at_most=9), "aiohttp was not in this run", "not measured"),
        (Budget("wsrs", at_most=2048, metric=MEMORY), "no memory per connection", "not measured"),
    ],
)
def test_a_budget_is_judged_round_by_round(budget: Budget, measured: str, word: str) -> None:
    servers = {
        "floor": server(10.0, 20.0, 10.0),
        "wsrs": server(12.0, 22.0, 50.0),
        "ws": server(120.0, 110.0, 1000.0),
        "picows": server(missing="is not installed"),
    }
    (verdict,) = judge(row(budget), RowResult("row", "some work", 3, servers))
    assert (verdict.measured, verdict.word) == (measured, word)


@pytest.mark.parametrize(("theirs", "word"), [(12.5, "pass"), (0.0, "not measured")])
def test_one_round_gives_a_ratio_and_no_round_gives_none(theirs: float, word: str) -> None:
    servers = {"wsrs": server(25.0), "floor": server(theirs)}
    (verdict,) = judge(row(Budget("wsrs", "floor", at_most=2)), RowResult("row", "some work", 1, servers))
    assert verdict.word == word


def test_a_budget_has_exactly_one_target() -> None:
    with pytest.raises(ValueError, match="either"):
        Budget("wsrs", "floor")
    with pytest.raises(ValueError, match="either"):
        Budget("wsrs", "floor", at_most=1, at_least=1)


def test_a_line_says_if_the_generator_or_others_were_busy() -> None:
    limited = server(1.0, generator_busy=0.99, server_busy=0.6, others_busy=0.0)
    disturbed = server(1.0, generator_busy=0.5, server_busy=0.99, others_busy=0.4)
    quiet = server(1.0, generator_busy=0.99, server_busy=1.0, others_busy=0.1)
    servers = {"floor": limited, "ws": disturbed, "wsrs": quiet}
    lines = table(row(), RowResult("row", "some work", 1, servers)).splitlines()[2:]
    notes = [line.split("|")[-2].strip() for line in lines]
    assert notes == [
        "the load generator was the bottleneck",
        "other processes used the machine in 1 of 1 rounds",
        "",
    ]


def test_a_server_that_broke_off_has_no_figures() -> None:
    broken = ServerResult("a server", "the server ended a connection", [{"server_us_per_message": 1.0}])
    assert broken.figure("server_us_per_message") is None
    text = table(row(), RowResult("row", "some work", 1, {"ws": broken}))
    assert "not measured: the server ended a connection" in text


def test_the_page_is_rendered_from_the_result_files(tmp_path: Path) -> None:
    result = RowResult("row", "some work", 1, {"floor": server(12.5), "wsrs": server(25.0)})
    save(tmp_path, result, AROUND)
    found = load(tmp_path, "row")
    assert found == (result, AROUND)
    page = document([(row(Budget("wsrs", "floor", at_most=1.1)), result, AROUND)])
    for text in ("12.5", "2 x (2 to 2)", "MISS", "profile: release"):
        assert text in page
    assert load(tmp_path, "another") is None


def test_every_budget_names_servers_and_metrics_of_its_row() -> None:
    names = {server.name for server in SERVERS}
    for each in ROWS:
        for budget in each.budgets:
            assert budget.server in names
            assert budget.peer is None or budget.peer in names
            assert budget.metric in each.metrics
    assert len({each.name for each in ROWS}) == len(ROWS)
