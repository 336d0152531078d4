"""The servers that are measured. To add a peer, write its file in `peers/` and add it to `SERVERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.loads import Broadcast, Client, Echo, Load
from harness.places import Places
from harness.setup import build_wsrs, install_node, install_python, install_socketify

Command = Callable[[Places], list[str | Path]]


def _nothing(places: Places) -> None:
    """Make nothing: the floor is built together with the load generator."""


@dataclass(frozen=True)
class Server:
    """An echo server: how to build it, how to start it (it prints `listening PORT`), and what it can do."""

    name: str
    title: str
    needs: tuple[Callable[[Places], None], ...]
    """The steps that build it. Each is done once, and a `SetupError` makes the server unavailable."""
    command: Command
    deflate: str | None
    """The option that turns permessage-deflate on; None if it has none."""
    packages: tuple[str, ...] = ()
    """The Python distributions whose versions are recorded."""
    ours: bool = False
    """True if the run fails when the server is not available."""
    broadcast: bool = False
    """True if it takes `--broadcast`, and then sends each message to all."""
    echo: bool = True
    """True if it can do anything else than broadcasts."""
    plain: bool = False
    """True if it is measured only in the echo rows without compression and TLS."""
    tls: bool = False
    """True if it takes `--tls FILE`, and then serves with the certificate and key in that file."""
    client: Command | None = None
    """How to start its client, which is measured against the floor."""

    def takes(self, load: Load) -> bool:
        """True if it is measured in rows with this load."""
        if isinstance(load, Broadcast):
            return self.broadcast
        if isinstance(load, Client):
            return self.client is not None
        if load.tls and not self.tls:
            return False
        return self.echo and (
            not self.plain or (isinstance(load, Echo) and not load.deflate and not load.tls)
        )


def _python(file: str, *options: str) -> Command:
    return lambda places: [places.python, places.peers / file, *options]


def _wsrs(name: str, title: str, style: str, loop: str, *options: str, **more: bool) -> Server:
    how = ("--style", style, "--loop", loop, *options)
    client = style != "loop" and not options
    return Server(
        name,
        title,
        (install_python, build_wsrs),
        _python("wsrs_echo.py", *how),
        "--deflate",
        ("wsrs", "uvloop"),
        ours=True,
        tls=style != "loop",
        client=_python("wsrs_client.py", *how) if client else None,
        **more,
    )


def _wsrs_pure(style: str, loop: str) -> Server:
    """The pure core. Its peer is the other library that works in plain Python, without its own
    accelerator."""
    name = "wsrs-pure" + ("-iter" if style == "iter" else "") + ("-asyncio" if loop == "asyncio" else "")
    title = f"wsrs, pure Python, {'`async for`' if style == 'iter' else 'callbacks'}, {loop}"
    return _wsrs(name, title, style, loop, "--backend", "pure", plain=True)


def _websockets_pure(loop: str) -> Server:
    return Server(
        "websockets-pure" + ("-asyncio" if loop == "asyncio" else ""),
        f"websockets, without its C extension, {loop}",
        (install_python,),
        _python("websockets_echo.py", "--without-extension", "--loop", loop),
        "--deflate",
        ("websockets", "uvloop"),
        plain=True,
    )


SERVERS: tuple[Server, ...] = (
    Server(
        "floor",
        "floor: epoll, no checks",
        (_nothing,),
        lambda places: [places.native("floor")],
        None,
        ours=True,
    ),
    _wsrs("wsrs", "wsrs, callbacks, uvloop", "callback", "uvloop", broadcast=True),
    _wsrs("wsrs-asyncio", "wsrs, callbacks, asyncio", "callback", "asyncio"),
    _wsrs("wsrs-loop", "wsrs, a loop of sends, uvloop", "loop", "uvloop", broadcast=True, echo=False),
    _wsrs("wsrs-iter", "wsrs, `async for`, uvloop", "iter", "uvloop"),
    _wsrs("wsrs-iter-asyncio", "wsrs, `async for`, asyncio", "iter", "asyncio"),
    Server(
        "picows",
        "picows, core API, uvloop",
        (install_python,),
        _python("picows_echo.py"),
        None,
        ("picows", "aiofastnet", "uvloop"),
        broadcast=True,
        tls=True,
        client=_python("picows_client.py"),
    ),
    Server(
        "aiohttp",
        "aiohttp, uvloop",
        (install_python,),
        _python("aiohttp_echo.py"),
        "--deflate",
        ("aiohttp", "uvloop"),
        tls=True,
        client=_python("aiohttp_client.py"),
    ),
    Server(
        "websockets",
        "websockets, uvloop",
        (install_python,),
        _python("websockets_echo.py"),
        "--deflate",
        ("websockets", "uvloop"),
        broadcast=True,
        tls=True,
        client=_python("websockets_client.py"),
    ),
    Server(
        "uvicorn",
        "uvicorn, its default protocol (websockets), uvloop",
        (install_python,),
        _python("uvicorn_echo.py"),
        "--deflate",
        ("uvicorn", "httptools", "websockets", "uvloop"),
        tls=True,
    ),
    *(_wsrs_pure(style, loop) for loop in ("uvloop", "asyncio") for style in ("callback", "iter")),
    *(_websockets_pure(loop) for loop in ("uvloop", "asyncio")),
    Server(
        "socketify",
        "socketify (uWebSockets)",
        (install_socketify,),
        lambda places: [places.socketify_python, places.peers / "socketify_echo.py"],
        "--deflate",
        ("socketify",),
    ),
    Server(
        "ws",
        "Node ws, bufferutil",
        (install_node,),
        lambda places: ["node", places.node / "ws_echo.mjs"],
        "--deflate",
        broadcast=True,
        tls=True,
        client=lambda places: ["node", places.node / "ws_client.mjs"],
    ),
)
