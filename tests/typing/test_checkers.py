"""The type checkers find no error in `accepted.py`, and need each `type: ignore` of `rejected.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import wsrs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHECKERS = {"mypy": ("mypy", "--no-error-summary", "tests/typing"), "pyright": ("basedpyright",)}


@pytest.mark.parametrize("checker", CHECKERS)
def test_both_checkers_infer_the_types(checker: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_both_checkers_refuse_each_wrong_line(checker: str, tmp_path: Path) -> None:
    """Without its comments, every line of `rejected.py` that had one is an error, and no other line is."""
    source = (HERE / "rejected.py").read_text()
    wrong = {place for place, line in enumerate(source.split("\n"), 1) if "# type: ignore[" in line}
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"  # type: ignore\[.*?\]", "", source))
    if checker == "mypy":
        command = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), str(bare)]
    else:
        command = ["basedpyright", "--level", "error", str(bare)]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {int(place) for place in re.findall(r"bare\.py:(\d+):.*\berror\b", done.stdout)}
    assert found == wrong, done.stdout + done.stderr


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(wsrs.__file__).with_name("py.typed")).is_file()
