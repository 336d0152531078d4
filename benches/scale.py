#!/usr/bin/env python3
"""Measure one server process with very many connections. See README.md.

Writes `results/scale-CONNECTIONS.json` and renders the pages. Exits with 1 if there are too few descriptors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.measure import MeasureError
from harness.pages import render
from harness.places import Places, SetupError, end_in_order, say
from harness.scale import descriptors, measure, save, table
from harness.servers import SERVERS
from harness.setup import build_native, build_wsrs, install_python
from harness.surroundings import surroundings


def main() -> int:
    """Measure, and write the results."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    places = Places(Path(__file__).resolve().parent.parent)
    if sys.platform != "linux":
        say("the load generator needs Linux's epoll: nothing was measured")
        return 1
    try:
        descriptors(options.connections)
        loadgen = build_native(places)["loadgen"]
        install_python(places)
        build_wsrs(places)
        found = measure(places, loadgen, options.connections, max(1, options.rounds))
    except (SetupError, MeasureError) as error:
        say(str(error))
        return 1
    print(table(found))
    ours = [server for server in SERVERS if server.name == "wsrs"]
    save(places.results(published=True), found, surroundings(places, ours, quick=False))
    return render(places, published=True)


if __name__ == "__main__":
    sys.exit(main())
