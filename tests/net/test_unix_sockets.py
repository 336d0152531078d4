"""Unix sockets to listen on: their files, and those that were handed over."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs.http import HttpServer

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

    @pytest.mark.skipif(sys.platform != "linux", reason="others refuse the connection")
    async def test_clients_wait_for_a_place_in_a_full_backlog(
        self, serve: Serve, reports: Reports, tmp_path: Path
    ) -> None:
        server = await serve(unix=tmp_path / "socket", backlog=0)
        # They all begin to connect before the server can accept one.
        clients = [wsrs.WebSocket(server.url) for _ in range(20)]
        for each in clients:
            await within(each.wait_open())
        for each in clients:
            each.terminate()

    @pytest.mark.skipif(sys.platform != "linux", reason="others refuse the connection")
    async def test_a_backlog_that_stays_full_meets_the_handshake_timeout(
        self, reports: Reports, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as other:
            full.bind(path)
            full.listen(0)
            other.connect(path)
            ws = wsrs.WebSocket(f"ws+unix:{path}:/", handshake_timeout=0.05)
            with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
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
    async def test_the_file_of_a_socket_that_the_server_bound_is_removed(
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


class TestUnixMode:
    @pytest.mark.parametrize("mode", [0, 0o600, 0o660, 0o777])
    @pytest.mark.parametrize("spelling", ["unix_mode", "unixMode"])
    async def test_unix_mode_sets_the_permissions_of_the_file(
        self, serve: Serve, tmp_path: Path, spelling: str, mode: int
    ) -> None:
        path = tmp_path / "socket"
        await serve(unix=path, **{spelling: mode})
        assert path.stat().st_mode & 0o7777 == mode

    async def test_by_default_the_umask_decides_the_permissions(self, serve: Serve, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            await serve(unix=tmp_path / "socket")
        finally:
            os.umask(before)
        assert (tmp_path / "socket").stat().st_mode & 0o7777 == 0o750

    async def test_permissions_are_set_before_anybody_can_connect(
        self, monkeypatch: pytest.MonkeyPatch, serve: Serve, tmp_path: Path
    ) -> None:
        path, refused = tmp_path / "socket", []
        chmod = os.chmod

        def watched(name: str, mode: int) -> None:
            with socket.socket(socket.AF_UNIX) as client:
                refused.append(client.connect_ex(name))
            chmod(name, mode)

        monkeypatch.setattr(os, "chmod", watched)
        await serve(unix=path, unix_mode=0o600)
        assert refused == [errno.ECONNREFUSED]

    async def test_permissions_that_cannot_be_set_are_an_error(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports, tmp_path: Path
    ) -> None:
        def refused(name: str, mode: int) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "chmod", refused)
        path = tmp_path / "socket"
        server = wsrs.WebSocketServer(unix=path, unix_mode=0o600)
        (error,) = await within(listen(server, "error"))
        assert error.errno == errno.EPERM
        assert f"cannot listen on '{path}'" in error.strerror
        assert not path.exists()

    @pytest.mark.parametrize("value", ["600", 6.0, True])
    async def test_a_mode_of_another_type_is_refused(
        self, reports: Reports, tmp_path: Path, value: object
    ) -> None:
        with pytest.raises(TypeError, match="unix_mode must be an int"):
            wsrs.WebSocketServer(unix=tmp_path / "socket", unix_mode=value)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [-1, 0o1000, 2**64])
    async def test_a_mode_out_of_range_is_refused(self, reports: Reports, tmp_path: Path, value: int) -> None:
        with pytest.raises(ValueError, match="unixMode must be 0 to 511, not"):
            wsrs.WebSocketServer(unix=tmp_path / "socket", unixMode=value)

    @pytest.mark.parametrize(
        "options", [{"port": 0}, {"sock": socket.socket()}, {"no_server": True}, {"server": HttpServer}]
    )
    async def test_unix_mode_without_a_unix_socket_is_refused(self, reports: Reports, options: Any) -> None:
        options = {name: value() if value is HttpServer else value for name, value in options.items()}
        with pytest.raises(TypeError, match="unix_mode has no meaning"):
            wsrs.WebSocketServer(**options, unix_mode=0o600)

    async def test_listen_refuses_unix_mode_without_a_unix_socket(self, reports: Reports) -> None:
        with pytest.raises(TypeError, match="listen: unix_mode has no meaning without unix"):
            HttpServer().listen(port=0, unix_mode=0o600)

    if sys.platform == "linux":

        async def test_an_abstract_name_has_no_file(self, reports: Reports) -> None:
            with pytest.raises(ValueError, match="unix_mode: the abstract name"):
                wsrs.WebSocketServer(unix="\0wsrs-test-mode", unix_mode=0o600)
