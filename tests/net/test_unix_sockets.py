"""Unix sockets to listen on: their files, and those that were handed over."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from pathlib import Path

import pytest

import wsrs

from ..conftest import Reports, Serve
from ..peers import Peer, listen, upgrade_request, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class TestUnixSockets:
    async def test_unix_sockets_are_refused_if_the_system_has_none(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports, tmp_path: Path
    ) -> None:
        with monkeypatch.context() as system:
            system.delattr(socket, "AF_UNIX")
            with pytest.raises(ValueError, match="unix sockets are not supported by this system"):
                wsrs.WebSocketServer(unix=str(tmp_path / "socket"))
            ws = wsrs.WebSocket(f"ws+unix:{tmp_path}/socket:/")
            with pytest.raises(OSError, match="unix sockets are not supported by this system"):
                await within(ws.wait_open())

    async def test_a_unix_socket_in_a_missing_folder_is_an_error(
        self, reports: Reports, tmp_path: Path
    ) -> None:
        server = wsrs.WebSocketServer(unix=tmp_path / "none" / "socket")
        (error,) = await within(listen(server, "error"))
        assert error.errno == errno.ENOENT
        assert f"cannot listen on '{tmp_path}/none/socket'" in error.strerror

    async def test_a_file_that_took_the_place_of_a_unix_socket_stays(
        self, serve: Serve, tmp_path: Path
    ) -> None:
        path = tmp_path / "socket"
        server = await serve(unix=str(path))
        path.unlink()
        path.write_text("another program's")
        server.close()
        await within(server.wait_closed())
        assert path.read_text() == "another program's"

    @pytest.mark.parametrize("listens", [False, True])
    @pytest.mark.parametrize("secure", [False, True])
    async def test_the_file_of_a_socket_that_was_handed_over_stays(
        self, serve: Serve, transports: str, tmp_path: Path, secure: bool, listens: bool
    ) -> None:
        """As with socket activation: whoever has bound the socket hands it to the next server too."""
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
            if listens:
                sock.listen()
            server = await serve(sock=sock.dup(), ssl=_server_context() if secure else None)
            server.close()
            await within(server.wait_closed())
            assert path.is_socket()
            again = await serve(sock=sock.dup())
            async with wsrs.WebSocket(again.url) as ws:
                assert ws.ready_state == wsrs.OPEN
        assert path.is_socket()

    @pytest.mark.parametrize("secure", [False, True])
    async def test_the_file_of_a_socket_of_its_own_is_removed(
        self, serve: Serve, transports: str, tmp_path: Path, secure: bool
    ) -> None:
        path = tmp_path / "socket"
        server = await serve(unix=path, ssl=_server_context() if secure else None)
        assert path.is_socket()
        server.close()
        await within(server.wait_closed())
        assert not path.exists()

    async def test_a_unix_socket_whose_file_is_gone_can_be_served(self, serve: Serve, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        path.unlink()
        server = await serve(sock=sock)
        path.write_text("another program's")
        server.close()
        await within(server.wait_closed())
        assert path.exists()

    if sys.platform == "linux":

        async def test_a_unix_socket_with_an_abstract_name(self, serve: Serve) -> None:
            """Linux's abstract names begin with a NUL."""
            path = f"\0wsrs-test-{id(self):x}"
            server = await serve(unix=path)
            assert server.address() == path
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                peer = Peer(*await within(asyncio.open_connection(sock=sock.dup())))
            peer.write(upgrade_request())
            assert (await peer.head())[0] == "HTTP/1.1 101 Switching Protocols"
            await peer.close()
