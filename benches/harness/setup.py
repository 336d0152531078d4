"""Builds everything that is measured: the native tools, wsrs in release, and the peers in their
environments."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from harness.places import Places, SetupError, run, say

NATIVE = ("floor", "loadgen")


def build_native(places: Places) -> dict[str, Path]:
    """Build the floor and the load generator, and return their paths. Both refuse to run as debug builds."""
    refuse_altered_release()
    say("building the floor and the load generator")
    run(["cargo", "build", "--release", "--package", "wsrs-bench"], cwd=places.root)
    return {name: places.native(name) for name in NATIVE}


def refuse_altered_release() -> None:
    """Refuse a release profile that the environment changes: it is not the one that is shipped."""
    altered = sorted(name for name in os.environ if name.startswith("CARGO_PROFILE_RELEASE_"))
    if altered:
        raise SetupError(f"the environment changes the release build: unset {', '.join(altered)}")


def build_wsrs(places: Places) -> None:
    """Build wsrs by `maturin build --release`, and install that wheel and no other."""
    refuse_altered_release()
    say("building wsrs (release)")
    wheels = places.made / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    maturin = places.python.parent / "maturin"
    run([maturin, "build", "--release", "--interpreter", places.python, "--out", wheels], cwd=places.root)
    made = sorted(wheels.glob("*.whl"))
    if len(made) != 1:
        raise SetupError(f"maturin made {len(made)} wheels, not one")
    run([*_pip(places.python), "install", "--force-reinstall", "--no-deps", made[0]], cwd=places.root)


def install_python(places: Places) -> None:
    """Install the Python peers, and maturin."""
    _install(places, places.python, places.peers / "requirements.txt")


def install_socketify(places: Places) -> None:
    """Install socketify, which needs the system's libuv."""
    _install(places, places.socketify_python, places.peers / "requirements-socketify.txt")
    try:
        run([places.socketify_python, "-c", "import socketify"], cwd=places.root)
    except SetupError as error:
        if "libuv" in str(error):
            raise SetupError("socketify needs the system's libuv (libuv1), which is not installed") from error
        raise


def install_node(places: Places) -> None:
    """Install Node's ws beside its server: an ES module looks for packages from its own folder."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise SetupError("node and npm are not installed")
    places.node.mkdir(parents=True, exist_ok=True)
    names = ("package.json", "package-lock.json", "ws_echo.mjs", "ws_client.mjs")
    for name in names:
        shutil.copyfile(places.peers / name, places.node / name)
    stamp = places.node / "node_modules" / ".stamp"
    wanted = _digest([places.node / name for name in names[:2]])
    if not _is(stamp, wanted):
        say("installing Node's ws")
        run([npm, "ci", "--no-audit", "--no-fund"], cwd=places.node)
        stamp.write_text(wanted)


def make_certificate(places: Places) -> None:
    """Make a self-signed certificate for the TLS rows, whose key never leaves `.bench`."""
    if places.certificate.exists():
        return
    places.made.mkdir(parents=True, exist_ok=True)
    key, certificate = places.made / "key.pem", places.made / "certificate.pem"
    run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            # The generator refuses a certificate that may sign others as that of a server.
            *("-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate),
        ],
        cwd=places.root,
    )
    places.certificate.touch(0o600)
    places.certificate.write_text(certificate.read_text() + key.read_text())
    key.unlink()
    certificate.unlink()


def _install(places: Places, python: Path, requirements: Path) -> None:
    stamp = python.parent.parent / ".stamp"
    wanted = _digest([requirements])
    if _is(stamp, wanted):
        return
    say(f"installing {requirements.name}")
    folder = python.parent.parent
    run([sys.executable, "-m", "venv", "--clear", folder], cwd=places.root)
    run([*_pip(python), "install", "--requirement", requirements], cwd=places.root)
    stamp.write_text(wanted)


def _pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files) + sys.version.encode()).hexdigest()


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted
