"""Paths of the benches, and a way to run the tools that build them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class SetupError(Exception):
    """Something could not be built; the text says what and why, in a few lines."""


def end_in_order() -> None:
    """Make SIGTERM end the program by an exception; otherwise the servers that it started would stay
    behind."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


@dataclass(frozen=True)
class Places:
    """Paths of the benches. Everything that is built, and may be deleted, is in `.bench`."""

    root: Path

    @property
    def benches(self) -> Path:
        """The folder `benches`."""
        return self.root / "benches"

    @property
    def peers(self) -> Path:
        """The folder of the echo servers and clients."""
        return self.benches / "peers"

    @property
    def made(self) -> Path:
        """The folder of everything that the benches build."""
        return self.root / ".bench"

    @property
    def python(self) -> Path:
        """The interpreter of the Python servers."""
        return self.made / "venv" / "bin" / "python"

    @property
    def socketify_python(self) -> Path:
        """The interpreter of socketify, which has an environment of its own."""
        return self.made / "venv-socketify" / "bin" / "python"

    @property
    def node(self) -> Path:
        """The folder that Node's server runs in."""
        return self.made / "node"

    @property
    def certificate(self) -> Path:
        """A certificate for localhost and its key, in one PEM file."""
        return self.made / "localhost.pem"

    @property
    def logs(self) -> Path:
        """The folder of the servers' stderr."""
        return self.made / "logs"

    def results(self, published: bool) -> Path:
        """The folder of the results; those of a quick or partial run are never published."""
        return self.benches / "results" if published else self.made / "scratch"

    def page(self, published: bool) -> Path:
        """The page that is rendered from the results."""
        return (self.benches if published else self.results(False)) / "RESULTS.md"

    def chart(self, published: bool) -> Path:
        """The picture on that page."""
        return self.page(published).with_name("chart.svg")

    @property
    def readme(self) -> Path:
        """The project's README, which has a short table between two markers."""
        return self.root / "README.md"

    def native(self, name: str) -> Path:
        """The path of a binary of the crate `wsrs-bench`, from its release build."""
        return _cargo_target(self.root) / "release" / name


@cache
def _cargo_target(root: Path) -> Path:
    metadata = json.loads(run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=root))
    return Path(str(metadata["target_directory"]))


def run(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a tool and return its stdout; raise `SetupError` with the end of its stderr if it fails."""
    words = [str(word) for word in command]
    name = Path(words[0]).name
    try:
        done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SetupError(f"{name}: {error.strerror}") from error
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise SetupError(f"`{' '.join([name, *words[1:3]])}` failed:\n  " + "\n  ".join(said[-6:]))
    return done.stdout


def say(text: str) -> None:
    """Report progress on stderr; stdout is for results."""
    print(text, file=sys.stderr, flush=True)
