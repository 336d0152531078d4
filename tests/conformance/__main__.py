"""Runs Autobahn's cases: `python -m tests.conformance [--fast] [--backend NAME] [--role NAME] [--write]`.

The expected results are the same for both cores and are kept in `expected/ROLE.json`. Exits with 1 if a
result differs, and says which. `--write` renews that file, for an intended change. The cases 1 to 10 must be
OK or, where a case has no right answer, INFORMATIONAL.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wsrs._active_core import KEEP_OUT

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"
KOSOKU = Path(sys.executable).with_name("kosoku")
# In these cases kosoku's server needs an offer of client_no_context_takeover.
NO_TAKEOVER = ["13.2.*", "13.5.*", "13.6.*"]
# Of the 216 compression cases, `--fast` runs one of each kind of payload and of negotiation.
FAST = [
    *(f"{group}.*" for group in (*range(1, 8), 9, 10)),
    *("12.1.1", "12.1.10", "12.2.5", "12.4.8", "12.5.17", "13.1.1", "13.3.10", "13.7.18"),
]
FAST_NO_TAKEOVER = ["13.2.7", "13.5.4"]
ROLES = ("server", "client")
BACKENDS = ("core", "pure")
Results = dict[str, list[str]]


def words(flag: str, cases: list[str]) -> list[str]:
    return [word for case in cases for word in (flag, case)]


def choices(role: str, fast: bool) -> list[tuple[list[str], list[str]]]:
    """The runs, one after another: the arguments of kosoku and of the peer."""
    if role == "server":
        return [(words("-i", FAST + FAST_NO_TAKEOVER) if fast else [], [])]
    rest = FAST_NO_TAKEOVER if fast else NO_TAKEOVER
    usual = words("-i", FAST) if fast else words("-x", NO_TAKEOVER)
    return [(usual, []), (words("-i", rest), ["--no-takeover"])]


def environment_of(backend: str) -> dict[str, str]:
    """An environment in which wsrs runs on that core, as `wsrs.backend` confirms."""
    environment = {name: value for name, value in os.environ.items() if name not in KEEP_OUT}
    if backend == "pure":
        environment["WSRS_PURE_PYTHON"] = "1"
    ask = [sys.executable, "-c", "import wsrs; print(wsrs.backend)"]
    said = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    if said != backend:
        raise SystemExit(f"wsrs has no backend {backend} here: it runs on {said}")
    return environment


def read_reports(folder: Path) -> Results:
    index = json.loads((folder / "index.json").read_text())
    (cases,) = index.values()
    return {case: [result["behavior"], result["behaviorClose"]] for case, result in cases.items()}


def as_server(
    cases: list[str], peer_options: list[str], folder: Path, environment: dict[str, str]
) -> Results:
    command = [sys.executable, "-m", "tests.conformance.peer", "server", *peer_options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as peer:
        assert peer.stdout is not None
        assert peer.stdin is not None
        port = int(peer.stdout.readline())
        judge = [str(KOSOKU), "-m", "fuzzingclient", "-o", str(folder), *cases, f"ws://127.0.0.1:{port}"]
        subprocess.run(
            judge, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        peer.stdin.close()
        peer.wait(30)
    return read_reports(folder)


def as_client(
    cases: list[str], peer_options: list[str], folder: Path, environment: dict[str, str]
) -> Results:
    judge = [str(KOSOKU), "-m", "fuzzingserver", "-o", str(folder), *cases, "127.0.0.1:0"]
    with subprocess.Popen(
        judge, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stderr is not None
        said = server.stderr.readline()
        if " on ws://" not in said:
            raise RuntimeError(f"kosoku's server did not start: {said}{server.stderr.read()}")
        url = said.split(" on ")[1].strip()
        peer = [sys.executable, "-m", "tests.conformance.peer", "client", url, *peer_options]
        try:
            subprocess.run(peer, check=True, env=environment, timeout=3600)
            server.communicate(timeout=60)  # it ends by itself when all cases have run
        except BaseException:
            server.terminate()
            raise
    return read_reports(folder)


def compare(role: str, results: Results, write: bool) -> list[str]:
    path = EXPECTED / f"{role}.json"
    expected: Results = json.loads(path.read_text()) if path.exists() else {}
    if write:
        text = ",\n".join(f"  {json.dumps(case)}: {json.dumps(said)}" for case, said in results.items())
        path.write_text("{\n" + text + "\n}\n")
        expected = results
    wrong = [
        f"{role} {case}: {said}, expected {expected.get(case)}"
        for case, said in results.items()
        if said != expected.get(case)
    ]
    bad = [
        f"{role} {case}: {said}" for case, said in results.items() if not {*said} <= {"OK", "INFORMATIONAL"}
    ]
    return wrong + bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="run only a choice of 12 and 13")
    parser.add_argument("--backend", choices=BACKENDS, help="default: both, one after the other")
    parser.add_argument("--role", choices=ROLES, help="default: both")
    parser.add_argument("--write", action="store_true", help="renew the expected results")
    options = parser.parse_args()
    wrong: list[str] = []
    passed = 0
    for backend in [options.backend] if options.backend else BACKENDS:
        environment = environment_of(backend)
        for role in [options.role] if options.role else ROLES:
            run = as_server if role == "server" else as_client
            begun, results = time.monotonic(), Results()
            for cases, peer_options in choices(role, options.fast):
                with tempfile.TemporaryDirectory() as folder:
                    results |= run(cases, peer_options, Path(folder), environment)
            differences = compare(role, results, options.write)
            wrong += [f"{backend} as {difference}" for difference in differences]
            passed += len(results) - len(differences)
            print(
                f"{backend} as {role}: {len(results)} cases in {time.monotonic() - begun:.0f} s", flush=True
            )
    for line in wrong:
        print(line)
    print(f"conformance: {passed} passed, {len(wrong)} failed")
    return 1 if wrong or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
