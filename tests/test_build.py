"""Wheels of the pure core, built and installed without Rust: `WSRS_NO_EXTENSION`.

Here hatchling is already installed and pip needs no network. tests/test_installation.py has pip get it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from email import message_from_bytes, message_from_string
from email.message import Message
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import wsrs

from .environments import ECHO, ROOT, python_in, run

INFO = f"wsrs-{wsrs.__version__}.dist-info"
HOOK = """
import os, sys
hook, source, folder = sys.argv[1:]
os.chdir(source)
sys.path.insert(0, "build_backend")
import wsrs_build
getattr(wsrs_build, hook)(folder)
"""


def pip(*words: str | Path, empty: Path) -> None:
    """Run pip, with neither network nor Rust."""
    offline = ("--disable-pip-version-check", "--quiet")
    without = {"PATH": str(empty), "PIP_NO_INDEX": "1", "WSRS_NO_EXTENSION": "1"}
    run(sys.executable, "-m", "pip", *offline, *words, empty=empty, **without)


def make_wheel(source: Path, folder: Path) -> Path:
    pip("wheel", "--no-build-isolation", "--no-deps", "-w", folder, source, empty=folder / "empty")
    (wheel,) = folder.glob("*.whl")
    return wheel


def echo_in_fresh_environment(folder: Path, wheel: Path) -> list[str]:
    """Install `wheel` in a virtual environment of its own, and return the words that the echo prints
    there."""
    environment, empty = folder / "environment", folder / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", environment, empty=empty)
    python = python_in(environment)
    pip("--python", python, "install", "--no-deps", wheel, empty=empty)
    return run(python, "-c", ECHO, empty=empty).split()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    tools = str(Path(sys.executable).parent)  # the folder of maturin
    subprocess.run(
        [sys.executable, "-c", HOOK, "build_sdist", str(ROOT), str(folder)],
        env={**os.environ, "PATH": os.pathsep.join((tools, os.environ["PATH"])), "CARGO_NET_OFFLINE": "true"},
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / f"wsrs-{wsrs.__version__}"


def test_the_wheel_can_be_installed_and_runs_without_rust(wheel: Path, tmp_path: Path) -> None:
    assert wheel.name == f"wsrs-{wsrs.__version__}-py3-none-any.whl"
    backend, said, file = echo_in_fresh_environment(tmp_path, wheel)
    assert (backend, said) == ("pure", "b'hello'")
    assert Path(file).is_relative_to(tmp_path)


def test_the_wheel_has_every_module_and_no_extension(wheel: Path) -> None:
    package = ROOT / "python"
    expected = {
        path.relative_to(package).as_posix()
        for path in package.joinpath("wsrs").rglob("*")
        if path.suffix in (".py", ".typed") and path.is_file()
    }
    info = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    with ZipFile(wheel) as files:
        assert sorted(files.namelist()) == sorted(expected | info)
        for name in expected:
            assert files.read(name) == (package / name).read_bytes()


def test_the_metadata_are_those_of_the_native_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        metadata = message_from_bytes(files.read(f"{INFO}/METADATA"))
    installed = importlib.metadata.distribution("wsrs").read_text("METADATA")
    assert installed is not None
    native = message_from_string(installed)
    assert fields(metadata) == fields(native)
    # The description is the README of now, not of the time when wsrs was installed.
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


def fields(metadata: Message) -> list[tuple[str, object]]:
    """The fields, sorted. maturin and hatchling write some values differently that mean the same."""
    same: dict[str, Callable[[str], object]] = {
        "Description-Content-Type": lambda value: value.partition(";")[0],
        "Keywords": lambda value: sorted(value.split(",")),
        "Requires-Dist": lambda value: str(Requirement(value)).replace("(", "").replace(")", ""),
    }
    return sorted((name, same.get(name, str)(value)) for name, value in metadata.items())


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    assert make_wheel(unpacked, tmp_path).read_bytes() == wheel.read_bytes()


def test_an_editable_installation_leads_to_the_source(unpacked: Path, tmp_path: Path) -> None:
    arguments = ("build_editable", unpacked, tmp_path)
    run(sys.executable, "-c", HOOK, *arguments, empty=tmp_path / "empty", WSRS_NO_EXTENSION="1")
    (wheel,) = tmp_path.glob("*.whl")
    backend, said, file = echo_in_fresh_environment(tmp_path, wheel)
    assert (backend, said) == ("pure", "b'hello'")
    assert Path(file).is_relative_to(unpacked)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build backend, imported as a frontend does it."""
    monkeypatch.syspath_prepend(str(ROOT / "build_backend"))
    monkeypatch.delenv("WSRS_NO_EXTENSION", raising=False)
    monkeypatch.delenv("MATURIN_NO_INSTALL_RUST", raising=False)
    return importlib.import_module("wsrs_build")


def test_the_build_requires_maturin_if_the_extension_is_wanted(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "")  # an empty value is none
    monkeypatch.setenv("MATURIN_NO_INSTALL_RUST", "1")
    assert backend.get_requires_for_build_wheel() == ["maturin>=1.14,<2"]
    assert backend.get_requires_for_build_editable() == ["maturin>=1.14,<2"]
    monkeypatch.delenv("MATURIN_NO_INSTALL_RUST")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backend.get_requires_for_build_wheel() == ["maturin>=1.14,<2", "puccinialin"]


def test_without_the_extension_the_build_requires_neither_rust_nor_maturin(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    assert backend.get_requires_for_build_wheel() == ["hatchling>=1.27,<2"]
    assert backend.get_requires_for_build_editable() == ["hatchling>=1.27,<2"]
    assert backend.get_requires_for_build_sdist()[0] == "maturin>=1.14,<2"  # maturin always makes the sdist


def test_hooks_that_not_all_backends_have_are_those_of_the_chosen_one(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "prepare_metadata_for_build_wheel"
    assert getattr(backend, name) is getattr(importlib.import_module("maturin"), name)
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    assert getattr(backend, name) is getattr(importlib.import_module("hatchling.build"), name)
    # A frontend asks whether there is an optional hook.
    assert not hasattr(backend, "build_something_else")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_settings_for_maturin_are_refused_without_the_extension(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hook: str
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    with pytest.raises(SystemExit, match=r"has no settings: \{'build-args': '--locked'\}"):
        getattr(backend, hook)(str(tmp_path), {"build-args": "--locked"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cargo", "wheel_has"), [("1.2.3", "1.2.3"), ("1.2.3-alpha.4", "1.2.3a4"), ("0.2.0-rc.1", "0.2.0rc1")]
)
def test_a_version_of_cargo_becomes_one_of_python(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cargo: str, wheel_has: str
) -> None:
    for name in ("Cargo.toml", "pyproject.toml", "README.md", "LICENSE"):
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "Cargo.toml":
            assert text.startswith(f'[package]\nname = "wsrs"\nversion = "{wsrs.__version__}"\n')
            text = text.replace(f'"{wsrs.__version__}"', f'"{cargo}"', 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    assert backend.prepare_metadata_for_build_wheel(str(tmp_path)) == f"wsrs-{wheel_has}.dist-info"
