"""The long run: `python -m tests.differential --examples 200000 --seed 1`."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import replace
from random import Random

from wsrs import _core, _pure

from .run import difference
from .scripts import Script, make_script


def smallest(script: Script, said: str) -> tuple[Script, str]:
    """The script without the calls that do not matter, and the differences that remain."""
    for part in ("steps", "inside"):
        for number in reversed(range(len(getattr(script, part)))):
            calls = list(getattr(script, part))
            del calls[number]
            tried = replace(script, steps=calls) if part == "steps" else replace(script, inside=calls)
            if now := difference((_core, _pure), tried):
                script, said = tried, now
    for name in script.options:
        tried = replace(script, options={key: value for key, value in script.options.items() if key != name})
        if now := difference((_core, _pure), tried):
            script, said = tried, now
    return script, said


def brief(said: object) -> str:
    """A `repr` without the middle of long payloads."""
    return re.sub(r"(0123456789abcdef){3,}", lambda found: f"({len(found[0])} digits)", str(said))


def main() -> int:
    """Try the examples; return 1 if the cores differ under any of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the first example; each further one has the next number"
    )
    parser.add_argument("--most", type=int, default=5, help="stop after so many findings")
    arguments = parser.parse_args()
    began = time.monotonic()
    found = done = 0
    for seed in range(arguments.seed, arguments.seed + arguments.examples):
        script = make_script(Random(seed), compressed=bool(seed % 2))
        done += 1
        if said := difference((_core, _pure), script):
            found += 1
            script, said = smallest(script, said)
            print(
                f"seed {seed}: {brief(script)}\nthe Rust core, then the Python one, {brief(said)}\n",
                flush=True,
            )
            if found >= arguments.most:
                break
    print(f"{done} examples from seed {arguments.seed} in {time.monotonic() - began:.0f} s: {found} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
