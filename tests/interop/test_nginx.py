"""nginx as a reverse proxy between a client and a server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import wsrs

from ..conftest import Serve
from ..peers import listen, within
from . import presence
from .process import Process

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 127.0.0.1:{port};
        location /plain/ {{ proxy_pass http://unix:{folder}/up.sock:/; }}
        location /upgrade/ {{
            proxy_pass http://unix:{folder}/up.sock:/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the proxy, and the folder with the `up.sock` of the server behind it."""
    program = presence.nginx()
    folder = tmp_path_factory.mktemp("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    process = Process([program, "-p", str(folder), "-c", str(config), "-e", "stderr"])
    try:
        process.wait_for("event method")
        yield f"ws://127.0.0.1:{port}", folder
    finally:
        process.stop()


async def test_without_the_upgrade_header_the_server_says_426(proxy: tuple[str, Path], serve: Serve) -> None:
    url, folder = proxy
    await serve(unix=folder / "up.sock")
    with pytest.raises(wsrs.WebSocketError, match="426"):
        await within(wsrs.WebSocket(f"{url}/plain/").wait_open())


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
async def test_messages_pings_and_close_go_through(
    proxy: tuple[str, Path], serve: Serve, compressed: bool
) -> None:
    url, folder = proxy
    arrived: list[wsrs.WebSocket] = []

    def came(ws: wsrs.WebSocket, request: object) -> None:
        arrived.append(ws)
        ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary))

    await serve(came, unix=folder / "up.sock", per_message_deflate=compressed)
    ws = wsrs.WebSocket(f"{url}/upgrade/", per_message_deflate=compressed)
    await within(ws.wait_open())
    assert bool(ws.extensions) is compressed
    for data in ("grüße", b"\x00\xff", "", bytes(1024 * 1024)):
        await ws.send(data)
        assert await within(ws.recv()) == data
    pong = listen(ws, "pong")
    ws.ping(b"through")
    assert await within(pong) == (b"through",)
    closed = listen(arrived[0], "close")
    ws.close(4001, "done")
    assert await within(closed) == (4001, b"done")
    await within(ws.wait_closed())
