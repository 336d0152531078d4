"""Which core runs, and what happens if the Rust core is missing or broken."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import wsrs
from wsrs._active_core import KEEP_OUT, load

PACKAGE = Path(wsrs.__file__).parent
ASK = "import wsrs; print(wsrs.backend)"


def ask(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The answer of a fresh Python that imports wsrs from `folder` to the question which core it has."""
    kept = {name: value for name, value in os.environ.items() if name not in KEEP_OUT}
    return subprocess.run(
        [sys.executable, "-c", ASK],
        env={**kept, "PYTHONPATH": str(folder), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def without_extension(tmp_path: Path) -> Path:
    """A folder with the package as it is installed without Rust."""
    copytree(PACKAGE, tmp_path / "wsrs", ignore=ignore_patterns("*.so", "*.pyd", "__pycache__"))
    return tmp_path


@pytest.mark.parametrize("name", ["WSRS_PURE_PYTHON", "WS_NO_BUFFER_UTIL", "WS_NO_UTF_8_VALIDATE"])
def test_each_variable_keeps_the_native_core_out(name: str) -> None:
    assert ask(PACKAGE.parent, **{name: "1"}).stdout == "pure\n"


def test_an_empty_variable_has_no_effect(without_extension: Path) -> None:
    name = f"_core{EXTENSION_SUFFIXES[0]}"
    (without_extension / "wsrs" / name).write_bytes(b"no library")
    answer = ask(without_extension, WSRS_PURE_PYTHON="", WS_NO_BUFFER_UTIL="")
    assert answer.returncode != 0  # it tried to load the extension


def test_the_pure_core_runs_without_the_extension(without_extension: Path) -> None:
    answer = ask(without_extension)
    assert (answer.stdout, answer.stderr) == ("pure\n", "")


def test_a_broken_extension_shows_its_error(without_extension: Path) -> None:
    name = f"_core{EXTENSION_SUFFIXES[0]}"
    (without_extension / "wsrs" / name).write_bytes(b"no library")
    answer = ask(without_extension)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines()[-1].startswith("ImportError: ")
    assert name in answer.stderr
    assert ask(without_extension, WSRS_PURE_PYTHON="1").stdout == "pure\n"


def test_a_module_missing_within_the_extension_is_an_error(without_extension: Path) -> None:
    (without_extension / "wsrs" / "_core.py").write_text("import a_module_that_is_not_there\n")
    answer = ask(without_extension)
    assert answer.returncode == 1
    assert "No module named 'a_module_that_is_not_there'" in answer.stderr


class TestLoading:
    """The same in this process, with answers of the import system."""

    @pytest.fixture(autouse=True)
    def wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in KEEP_OUT:
            monkeypatch.delenv(name, raising=False)

    def test_without_the_extension(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wsrs._core", None)
        assert load().__name__ == "wsrs._pure"

    def test_an_extension_that_lacks_a_module_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Finder:
            @staticmethod
            def find_spec(name: str, *_: object) -> None:
                if name == "wsrs._core":
                    raise ModuleNotFoundError("No module named 'other'", name="other")

        monkeypatch.delitem(sys.modules, "wsrs._core", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
        with pytest.raises(ModuleNotFoundError, match="other"):
            load()


SUBINTERPRETER = """
try:
    import _xxsubinterpreters as interpreters
    made = interpreters.create(isolated=False)
except ImportError:
    import _interpreters as interpreters
    made = interpreters.create("legacy")
import sys
if sys.argv[1] == "after":
    import wsrs
interpreters.run_string(made, {code!r})
"""

IN_IT = """
import asyncio, os
try:
    import wsrs
except ImportError as error:
    print(error)
    os.environ["WSRS_PURE_PYTHON"] = "1"
    import wsrs

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", lambda ws, _: ws.on("message", lambda data, _: ws.send(data)))
        async with wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}") as ws:
            await ws.send("there")
            print(wsrs.backend, await ws.recv())

asyncio.run(main())
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="CPython alone has subinterpreters")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_subinterpreter_is_refused_the_rust_core_and_may_use_the_pure_one(when: str) -> None:
    """Whether or not the main interpreter has imported wsrs before."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SUBINTERPRETER.format(code=IN_IT), when],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    *refused, answered = done.stdout.splitlines()
    assert answered == "pure b'there'", done.stderr
    assert done.returncode == 0
    if wsrs.backend == "core":
        assert len(refused) == 1
        assert "subinterpreter; set WSRS_PURE_PYTHON=1" in refused[0]
    else:
        assert refused == []
