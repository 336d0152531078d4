"""The documents name files that exist, and the drawings are those of their sources."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOTS = (
    ROOT,
    ROOT / "src",
    ROOT / "python" / "wsrs",
    ROOT / "src" / "bindings",
    ROOT / "python" / "wsrs" / "_pure",
)
PATH = re.compile(r"[A-Za-z0-9_./]+(?:\.(?:rs|py|pyi|md|json|svg|dot|txt)|/)")
BY_FOLDER = re.compile(r"^[a-z_]+\.rs$|^[a-z_]+\.py$")
"""A bare file name; the sentence before it names its folder."""


def exists(name: str) -> bool:
    """True if a path that a document names exists, relative to the places where its readers look."""
    if any((root / name).exists() for root in ROOTS):
        return True
    return BY_FOLDER.match(name) is not None and any((ROOT / top).rglob(name) for top in ("src", "python"))


def paths(text: str) -> set[str]:
    """The paths that a document names in code; a word in capitals stands for any name."""
    codes = re.findall(r"`([^`\n]+)`", text)
    return {code for code in codes if PATH.fullmatch(code) and not re.search(r"\b[A-Z]+\b(?!\.md)", code)}


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_a_document_names_files_that_exist(document: str) -> None:
    named = paths((ROOT / document).read_text())
    assert named
    assert sorted(name for name in named if not exists(name)) == []


def test_a_path_that_does_not_exist_is_found() -> None:
    assert paths("see `session/nothing.rs` and `make test`") == {"session/nothing.rs"}
    assert not exists("session/nothing.rs")
    assert exists("session/hold.rs")
    assert exists("_pure/hold.py")


def labels(source: str) -> set[str]:
    """The lines of text in a drawing."""
    source = re.sub(r"//.*", "", source)
    return {line for label in re.findall(r'label="([^"]*)"', source) for line in label.split("\\n")}


@pytest.mark.parametrize(
    "source", sorted((ROOT / "docs" / "drawings").glob("*.dot")), ids=lambda path: path.stem
)
def test_a_drawing_is_rendered_from_its_source(source: Path) -> None:
    drawn = html.unescape(source.with_suffix(".svg").read_text()).replace("\xa0", " ")
    texts = {" ".join(text.split()) for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)}
    assert {" ".join(label.split()) for label in labels(source.read_text())} == texts


@pytest.mark.parametrize(
    "source", sorted((ROOT / "docs" / "drawings").glob("*.dot")), ids=lambda path: path.stem
)
def test_a_drawing_names_files_that_exist(source: Path) -> None:
    words = {word.rstrip(",:") for label in labels(source.read_text()) for word in label.split()}
    named = {word for word in words if PATH.fullmatch(word)}
    assert named
    assert sorted(name for name in named if not exists(name) and not exists(f"connection/{name}")) == []
