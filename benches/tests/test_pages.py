"""RESULTS.md, the chart and the README show what the result files have."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness import instructions, scale
from harness.chart import chart
from harness.loads import Echo
from harness.measure import MeasureError
from harness.pages import pages
from harness.places import Places, SetupError
from harness.results import RowResult, ServerResult, Surroundings
from harness.rows import CPU, Row
from harness.summary import BEGIN, END, inserted, summary

PLACES = Places(Path(__file__).resolve().parents[2])
AROUND = Surroundings("2026-01-01 00:00 UTC", False, {"cores": "2", "processor": "P"}, {}, {})


def measured(**cpu: float) -> tuple[Row, RowResult, Surroundings]:
    """The results of a row that the chart and the table show, with these servers."""
    servers = {
        name: ServerResult(name, None, [{"server_us_per_message": value}]) for name, value in cpu.items()
    }
    row = Row("pipelined", "work & <more>", Echo(1), (CPU,), ())
    return row, RowResult("pipelined", row.title, 1, servers), AROUND


@pytest.mark.parametrize("page", sorted(pages(PLACES, published=True)), ids=lambda page: page.name)
def test_each_page_is_up_to_date_with_the_result_files(page: Path) -> None:
    made = pages(PLACES, published=True)[page]
    assert page.read_text() == made, "write it anew: python3 benches/run.py --render"


def test_results_readme_and_chart_are_rendered() -> None:
    assert {page.name for page in pages(PLACES, published=True)} == {"RESULTS.md", "README.md", "chart.svg"}


def test_a_bar_is_as_long_as_its_figure() -> None:
    root = ET.fromstring(chart([measured(wsrs=1.0, picows=4.0, floor=2.0)]))
    bars = {
        bar.get("class"): float(bar.get("width", "0"))
        for bar in root.iter("{http://www.w3.org/2000/svg}rect")
    }
    assert bars["peer"] == pytest.approx(4 * bars["ours"], rel=0.01)
    assert bars["floor"] == pytest.approx(2 * bars["ours"], rel=0.01)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Work & <more>" in texts
    assert {"1", "4", "2"} <= set(texts)


def test_a_chart_without_results_is_still_a_picture() -> None:
    assert ET.fromstring(chart([])).get("role") == "img"


def test_the_short_table_has_the_measured_rows() -> None:
    text = summary([measured(wsrs=0.25, ws=12.0)])
    line = next(line for line in text.splitlines() if line.startswith("| work"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["work & <more>, µs", "0.250", "-", "-", "-", "-", "12", "-"]
    assert "Measured 2026-01-01 on P with 2 cores" in text


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END])
def test_a_text_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="each once"):
        inserted(text, "block\n")


def test_the_text_between_the_markers_is_replaced() -> None:
    assert inserted(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"


def test_instructions_are_the_difference_of_two_runs(tmp_path: Path) -> None:
    assert instructions.total("events: Ir\nsummary: 1234\n\ntotals: 1234\n") == 1234
    assert instructions.section(tmp_path) is None
    counted = instructions.Count("pure", "work", (100, 300), (5_000, 905_000))
    instructions.save(tmp_path, [counted], AROUND)
    assert "| pure core | work | 4,500 " in (instructions.section(tmp_path) or "")


def test_without_valgrind_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="valgrind is not installed"):
        instructions.valgrind()


def test_more_connections_than_descriptors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (1024, 20_000))
    with pytest.raises(MeasureError, match=r"50,200 descriptors.* 20,000 .*CONNECTIONS=19800"):
        scale.descriptors(50_000)
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.setrlimit", lambda which, limits: raised.append(limits))
    scale.descriptors(19_800)
    assert raised == [(20_000, 20_000)]


def test_each_number_of_connections_has_a_section(tmp_path: Path) -> None:
    sample = {"server_us_per_message": 5.0, "others_busy": 0.0, "server_bytes_per_connection": 1700.4}
    sample |= {"latency_p50_us": 2e5, "latency_p99_us": 3e5, "messages_per_second": 1e5}
    for connections, processor in ((50_000, "QEMU TCG CPU"), (9_000, "a real one")):
        machine = {"processor": processor, "cores": "2", "kernel": "6.1"}
        around = Surroundings("2026-01-01 00:00 UTC", False, machine, {}, {"commit": "0123456789ab"})
        scale.save(tmp_path, scale.Scale(connections, *([[sample]] * 4)), around)
    real, emulated = scale.sections(tmp_path)
    assert "## 9,000 connections" in real
    assert scale.EMULATED not in real
    assert "## 50,000 connections" in emulated
    assert scale.EMULATED in emulated


def test_the_cost_of_idle_connections_is_shown() -> None:
    one = {"server_us_per_message": 5.0, "others_busy": 0.0}
    many = {"latency_p50_us": 2e5, "latency_p99_us": 3e5, "messages_per_second": 1e5}
    held = {"server_bytes_per_connection": 1700.4}
    text = scale.table(scale.Scale(50_000, [one], [{**one, "server_us_per_message": 6.0}], [held], [many]))
    for figure in ("1,700 B", "5 µs", "6 µs (1.20 x)", "200 ms, 300 ms", "100,000"):
        assert figure in text
