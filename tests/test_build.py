"""Wheels of the pure core, built and installed without Rust: `WSRS_NO_EXTENSION`."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
from email import message_from_bytes, message_from_string
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

import wsrs

ROOT = Path(__file__).resolve().parent.parent
INFO = f"wsrs-{wsrs.__version__}.dist-info"
ECHO = """
import asyncio, wsrs

async def main():
    async with wsrs.WebSocketServer(port=0, host="127.0.0.1") as server:
        server.on("connection", lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data)))
        async with wsrs.WebSocket(f"ws://127.0.0.1:{server.address()['port']}") as ws:
            await ws.send(b"hello")
            print(wsrs.backend, await ws.recv(), wsrs.__file__)

asyncio.run(main())
"""
HOOK = """
import sys
hook, source, folder = sys.argv[1:]
sys.path.insert(0, source + "/build_backend")
import wsrs_build
getattr(wsrs_build, hook)(folder)
"""


def run(*words: str | Path, empty: Path, **environment: str) -> str:
    """The stdout of a Python program that runs in an empty folder and finds no other program on PATH."""
    empty.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PATH")}
    done = subprocess.run(
        [str(word) for word in words],
        env={**kept, "PATH": str(empty), **environment},
        cwd=empty,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*words: str | Path, empty: Path) -> None:
    """Run pip, with neither network nor Rust."""
    offline = ("--disable-pip-version-check", "--quiet")
    run(sys.executable, "-m", "pip", *offline, *words, empty=empty, WSRS_NO_EXTENSION="1", PIP_NO_INDEX="1")


def make_wheel(source: Path, folder: Path) -> Path:
    pip("wheel", "--no-build-isolation", "--no-deps", "-w", folder, source, empty=folder / "empty")
    (wheel,) = folder.glob("*.whl")
    return wheel


def echo_in_fresh_environment(folder: Path, wheel: Path) -> list[str]:
    """Install `wheel` in a virtual environment of its own, and return the words that the echo prints
    there."""
    environment, empty = folder / "environment", folder / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", environment, empty=empty)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
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


def test_the_record_names_each_file_with_its_digest(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        lines = files.read(f"{INFO}/RECORD").decode().splitlines()
        assert len(lines) == len(files.namelist())
        for line in lines:
            name, digest, size = line.split(",")
            if name.endswith("/RECORD"):
                assert (digest, size) == ("", "")
                continue
            data = files.read(name)
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert (digest, size) == (f"sha256={sha256}", str(len(data)))


def test_the_metadata_are_those_of_the_native_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        metadata = message_from_bytes(files.read(f"{INFO}/METADATA"))
    installed = importlib.metadata.distribution("wsrs").read_text("METADATA")
    assert installed is not None
    # The description is the README of now, not of the time when wsrs was installed.
    assert sorted(metadata.items()) == sorted(message_from_string(installed).items())
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


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


def test_without_the_extension_only_python_3_10_needs_a_package(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    assert backend.get_requires_for_build_wheel() == ["tomli>=2; python_version < '3.11'"]
    assert backend.get_requires_for_build_editable() == ["tomli>=2; python_version < '3.11'"]
    assert backend.get_requires_for_build_sdist()[0] == "maturin>=1.14,<2"  # maturin always makes the sdist


def test_prepared_metadata_are_those_of_the_wheel(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, wheel: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    assert backend.prepare_metadata_for_build_wheel(str(tmp_path)) == INFO
    with ZipFile(wheel) as files:
        for name in ("METADATA", "WHEEL", "licenses/LICENSE"):
            assert (tmp_path / INFO / name).read_bytes() == files.read(f"{INFO}/{name}")


def test_settings_for_maturin_are_refused_without_the_extension(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WSRS_NO_EXTENSION", "1")
    with pytest.raises(SystemExit, match=r"has no settings: \{'build-args': '--locked'\}"):
        backend.build_wheel(str(tmp_path), {"build-args": "--locked"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cargo", "wheel_has"), [("1.2.3", "1.2.3"), ("1.2.3-alpha.4", "1.2.3a4"), ("0.2.0-rc.1", "0.2.0rc1")]
)
def test_a_version_of_cargo_becomes_one_of_python(
    backend: ModuleType, tmp_path: Path, cargo: str, wheel_has: str
) -> None:
    copy_with(tmp_path, "Cargo.toml", f'version = "{wsrs.__version__}"', f'version = "{cargo}"')
    made = importlib.import_module("pure_wheel").write_metadata(tmp_path, tmp_path)
    assert made == f"wsrs-{wheel_has}.dist-info"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("Cargo.toml", f'version = "{wsrs.__version__}"', 'version = "1.0.0-dev"', "the version '1.0.0-dev'"),
        ("pyproject.toml", "[project]", '[project]\nauthors = [{ name = "A" }]', r"\['authors'\]"),
        ("pyproject.toml", 'dynamic = ["version"]', 'dynamic = ["readme"]', r"'dynamic': \['readme'\]"),
    ],
)
def test_metadata_that_cannot_be_written_are_an_error(
    backend: ModuleType, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    copy_with(tmp_path, file, old, new)
    with pytest.raises(ValueError, match=said):
        importlib.import_module("pure_wheel").write_wheel(tmp_path, tmp_path, editable=False)


def copy_with(folder: Path, file: str, old: str, new: str) -> None:
    """Copy the files that the metadata are made from, with one of them changed."""
    for name in ("Cargo.toml", "pyproject.toml", "README.md", "LICENSE"):
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / name).write_text(text, encoding="utf-8")
