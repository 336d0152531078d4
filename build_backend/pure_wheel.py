"""Builds a wheel without the extension from pyproject.toml and `python/`, with the standard library.

The same tree gives the same bytes. The metadata are the same as maturin's. A key that this file cannot write
is an error; it is never left out.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["write_metadata", "write_wheel"]

_KNOWN = {
    "classifiers",
    "dependencies",
    "description",
    "dynamic",
    "keywords",
    "license",
    "license-files",
    "name",
    "optional-dependencies",
    "readme",
    "requires-python",
}
# The type stub belongs to the extension that it describes.
_EXTENSION = re.compile(r"_core\b.*")
_WHEEL = b"Wheel-Version: 1.0\nGenerator: wsrs_build\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_STAGES = {"alpha": "a", "beta": "b", "rc": "rc"}
# The date of the files in a wheel: the earliest that a zip file can have.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_metadata(root: Path, folder: Path) -> str:
    """Write the `.dist-info` of `root` into `folder`, and return its name."""
    project = _Project(root)
    for name, data in project.info():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return project.info_folder


def write_wheel(root: Path, folder: Path, *, editable: bool) -> str:
    """Write a wheel of the package, or (editable) of a path to it, into `folder`, and return its name."""
    project = _Project(root)
    name = f"{project.name}-{project.version}-py3-none-any.whl"
    files = project.path() if editable else project.package()
    records = []
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, data in (*files, *project.info()):
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{path},sha256={digest},{len(data)}\n")
            _add(wheel, path, data)
        record = f"{project.info_folder}/RECORD"
        _add(wheel, record, "".join([*records, f"{record},,\n"]).encode())
    return name


def _add(wheel: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, _DATE)
    entry.external_attr = 0o100644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    wheel.writestr(entry, data)


Files = Iterator[tuple[str, bytes]]


class _Project:
    """The project in `root`, as pyproject.toml and Cargo.toml describe it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._table: dict[str, Any] = _read(root / "pyproject.toml")["project"]
        unknown = sorted(self._table.keys() - _KNOWN)
        if unknown or self._table["dynamic"] != ["version"]:
            what = unknown or {"dynamic": self._table["dynamic"]}
            raise ValueError(f"pyproject.toml: the build without Rust does not know [project] {what}")
        self.name = str(self._table["name"])
        self.version = _version(_read(root / "Cargo.toml")["package"]["version"])
        self.info_folder = f"{self.name}-{self.version}.dist-info"

    def package(self) -> Files:
        """The modules, and the other files among them."""
        source = self._root / "python"
        for path in sorted(source.joinpath(self.name).rglob("*")):
            # A cache of Python or of another tool is not part of the package.
            is_ours = not path.parent.name.startswith((".", "__pycache__"))
            if path.is_file() and is_ours and not _EXTENSION.fullmatch(path.name):
                yield path.relative_to(source).as_posix(), path.read_bytes()

    def path(self) -> Files:
        """The file that leads the interpreter to the modules."""
        yield f"{self.name}.pth", f"{self._root / 'python'}\n".encode()

    def info(self) -> Files:
        """The `.dist-info`, except RECORD."""
        yield f"{self.info_folder}/METADATA", self._metadata()
        yield f"{self.info_folder}/WHEEL", _WHEEL
        for name in self._table["license-files"]:
            yield f"{self.info_folder}/licenses/{name}", (self._root / name).read_bytes()

    def _metadata(self) -> bytes:
        table = self._table
        fields = [("Metadata-Version", "2.4"), ("Name", self.name), ("Version", self.version)]
        fields += [("Classifier", classifier) for classifier in table["classifiers"]]
        fields += [("Requires-Dist", _requirement(requirement)) for requirement in table["dependencies"]]
        for extra, requirements in table["optional-dependencies"].items():
            fields += [("Requires-Dist", _requirement(requirement, extra)) for requirement in requirements]
        fields += [("Provides-Extra", extra) for extra in table["optional-dependencies"]]
        fields += [("License-File", name) for name in table["license-files"]]
        fields += [
            ("Summary", table["description"]),
            ("Keywords", ",".join(table["keywords"])),
            ("License-Expression", table["license"]),
            ("Requires-Python", table["requires-python"]),
            ("Description-Content-Type", "text/markdown; charset=UTF-8; variant=GFM"),
        ]
        head = "".join(f"{name}: {value}\n" for name, value in fields)
        return f"{head}\n{(self._root / table['readme']).read_text(encoding='utf-8')}".encode()


def _read(path: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return table


def _requirement(requirement: str, extra: str = "") -> str:
    """A requirement in the form of the metadata. It applies always, or only with `extra`."""
    what, _, marker = (part.strip() for part in requirement.partition(";"))
    if extra:
        marker = f"({marker})" if " or " in marker else marker
        marker = f"{marker} and extra == '{extra}'" if marker else f"extra == '{extra}'"
    return f"{what} ; {marker}" if marker else what


def _version(text: str) -> str:
    """Cargo's version in the form of PEP 440."""
    match = re.fullmatch(r"(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.(\d+))?", text)
    if match is None:
        raise ValueError(f"Cargo.toml: the build without Rust does not know the version {text!r}")
    release, stage, number = match.groups()
    return release if stage is None else release + _STAGES[stage] + number
