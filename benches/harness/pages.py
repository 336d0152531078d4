"""The files that are rendered from the results."""

from __future__ import annotations

from pathlib import Path

from harness import instructions, scale
from harness.chart import chart
from harness.places import Places, say
from harness.report import Measured, document
from harness.results import load
from harness.rows import ROWS
from harness.summary import inserted, summary


def pages(places: Places, published: bool) -> dict[Path, str]:
    """The texts of RESULTS.md, of the chart and, for published results, of the README; empty without
    results."""
    folder = places.results(published)
    measured: list[Measured] = []
    for row in ROWS:
        found = load(folder, row.name)
        if found is not None:
            measured.append((row, *found))
    if not measured:
        return {}
    counted = instructions.section(folder)
    more = [*scale.sections(folder), *([] if counted is None else [counted])]
    made = {places.page(published): document(measured, *more), places.chart(published): chart(measured)}
    if published:
        made[places.readme] = inserted(places.readme.read_text(), summary(measured))
    return made


def render(places: Places, published: bool) -> int:
    """Write the pages; return the exit status, 1 if there are no results."""
    made = pages(places, published)
    for page, text in made.items():
        page.write_text(text)
        say(f"written: {page.relative_to(places.root)}")
    if not made:
        say("there are no results to render")
    return 0 if made else 1
