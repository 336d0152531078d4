#!/usr/bin/env python3
"""Count the instructions per message on both cores, by callgrind. See README.md.

Writes `results/instructions.json` and renders the pages. Exits with 1 if valgrind or a server is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.instructions import CORES, LOADS, Count, count, save, tell, valgrind
from harness.measure import MeasureError
from harness.pages import render
from harness.places import Places, SetupError, end_in_order, say
from harness.servers import SERVERS
from harness.setup import build_native, build_wsrs, install_python
from harness.surroundings import surroundings


def main() -> int:
    """Count the instructions and write the results."""
    end_in_order()
    argparse.ArgumentParser(description=__doc__).parse_args()
    places = Places(Path(__file__).resolve().parent.parent)
    counts: list[Count] = []
    try:
        valgrind()
        loadgen = build_native(places)["loadgen"]
        install_python(places)
        build_wsrs(places)
        for backend in CORES:
            for work in LOADS:
                say(f"counting: {CORES[backend]}, {work}")
                counts.append(count(places, loadgen, backend, work))
                tell(counts[-1:])
    except (SetupError, MeasureError) as error:
        say(str(error))
        return 1
    ours = [server for server in SERVERS if server.name == "wsrs"]
    save(places.results(published=True), counts, surroundings(places, ours, quick=False))
    return render(places, published=True)


if __name__ == "__main__":
    sys.exit(main())
