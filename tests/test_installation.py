"""wsrs installed by pip in bare virtual environments, with build isolation: `make test-install`.

pip gets the tools of the build from its index. `WSRS_PYTHONS` chooses the interpreters.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .environments import ECHO, ROOT, chosen, interpreter, python_in, run

pytestmark = pytest.mark.installs
# How the extension is optimised makes no difference here, and fat LTO takes minutes.
QUICK = {
    "CARGO_TARGET_DIR": str(ROOT / "target" / "install"),
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}
CORES = ["core", "pure"]


class Bare:
    """Makes virtual environments that have nothing but pip, and runs programs in them."""

    def __init__(self, path: str, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._count = 0

    def environment(self) -> Path:
        """The interpreter of a new environment."""
        self._count += 1
        environment = self._folder / f"environment{self._count}"
        try:
            self.run(self._path, "-m", "venv", environment)
        except AssertionError:  # Debian's Python has no ensurepip; pip can be run from its wheel
            self.run(self._path, "-m", "venv", "--clear", "--without-pip", environment)
            self.pip(Path(sys.executable), "download", "--no-deps", "--dest", environment, "pip")
            (wheel,) = environment.glob("pip-*.whl")
            self.run(python_in(environment), wheel / "pip", "install", "--quiet", "--no-index", wheel)
        return python_in(environment)

    def run(self, *words: str | Path, core: str = "core") -> str:
        """The stdout of a program. If `core` is pure, it finds no Rust, nor any other program."""
        empty = self._folder / "empty"
        wish = {"PATH": str(empty), "WSRS_NO_EXTENSION": "1"} if core == "pure" else QUICK
        return run(*words, empty=empty, **wish)

    def pip(self, python: Path, *words: str | Path, core: str = "core") -> None:
        self.run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words, core=core)

    def expect_echo(self, python: Path, core: str) -> None:
        """Run a server and a client on the installed wsrs, and expect that it uses this core."""
        backend, said, file = self.run(python, "-c", ECHO).split(maxsplit=2)
        assert (backend, said) == (core, "b'hello'")
        assert Path(file).is_relative_to(python.parent.parent)


@pytest.fixture(params=chosen())
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Bare:
    path = interpreter(request.param)
    if path is None:
        pytest.fail(f"CPython {request.param} is not on this machine")
    return Bare(path, tmp_path)


@pytest.mark.parametrize("core", CORES)
def test_pip_installs_wsrs_from_the_source_tree(bare: Bare, core: str) -> None:
    python = bare.environment()
    bare.pip(python, "install", ROOT, core=core)
    bare.expect_echo(python, core)


@pytest.mark.parametrize("core", CORES)
def test_pip_makes_a_wheel_that_can_be_installed_without_an_index(
    bare: Bare, core: str, tmp_path: Path
) -> None:
    bare.pip(bare.environment(), "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT, core=core)
    (wheel,) = tmp_path.glob("*.whl")
    python = bare.environment()
    bare.pip(python, "install", "--no-index", wheel)
    bare.expect_echo(python, core)


def test_pip_installs_wsrs_from_the_source_distribution(bare: Bare, tmp_path: Path) -> None:
    builder = bare.environment()
    bare.pip(builder, "install", "build")
    bare.run(builder, "-m", "build", "--sdist", "--outdir", tmp_path, ROOT)
    (archive,) = tmp_path.glob("*.tar.gz")
    for core in CORES:
        python = bare.environment()
        bare.pip(python, "install", archive, core=core)
        bare.expect_echo(python, core)


def test_pip_installs_the_pure_core_to_be_edited(bare: Bare) -> None:
    python = bare.environment()
    bare.pip(python, "install", "--editable", ROOT, core="pure")
    program = "import wsrs; print(wsrs.__file__)"
    assert bare.run(python, "-c", program).strip() == str(ROOT / "python" / "wsrs" / "__init__.py")
