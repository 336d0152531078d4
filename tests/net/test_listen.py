"""Where a server listens: addresses, Unix sockets and sockets of the caller; and the errors of each."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs._net.listen import Place, bind_tcp
from wsrs.http import HttpServer

from ..conftest import Reports, Serve
from ..peers import listen, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"


def _resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Names that end in .example have these addresses, in this order."""

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        found = addresses if host.endswith(".example") else (host,)
        return [socket.getaddrinfo(each, port, type=socket.SOCK_STREAM)[0] for each in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def _without_ipv6(monkeypatch: pytest.MonkeyPatch, *, at: str) -> None:
    """Make the system say that it knows IPv6, but fail to make, or to bind, its sockets."""

    class Socket(socket.socket):
        def __init__(self, family: int = -1, *args: Any, **keywords: Any) -> None:
            if at == "socket" and family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *args, **keywords)

        def bind(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            super().bind(address)

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "socket", Socket)


class TestTcp:
    async def test_a_server_listens_without_ipv6_if_the_system_has_none(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
        async with wsrs.WebSocketServer(port=0) as server:
            address: Any = server.address()
            assert (address["address"], address["family"]) == ("0.0.0.0", "IPv4")

    async def test_reuse_port_is_refused_if_the_system_has_none(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        monkeypatch.delattr(socket, "SO_REUSEPORT")
        with pytest.raises(ValueError, match="reuse_port is not supported by this system"):
            wsrs.WebSocketServer(port=0, host="127.0.0.1", reuse_port=True)

    @pytest.mark.parametrize("failures", [1, 7, 8])
    def test_a_free_port_is_one_that_all_addresses_have(
        self, monkeypatch: pytest.MonkeyPatch, failures: int
    ) -> None:
        """The port that the first address of a name got is in use on the second: eight ports are tried in
        all."""
        bound: list[Any] = []

        class Socket(socket.socket):
            def bind(self, address: Any) -> None:
                bound.append(address)
                if len(bound) <= 2 * failures and len(bound) % 2 == 0:
                    raise OSError(errno.EADDRINUSE, "Address already in use")
                super().bind(address)

        monkeypatch.setattr(socket, "socket", Socket)
        infos: Any = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0))]
        if failures == 8:
            with pytest.raises(OSError, match=r"on 127\.0\.0\.2 port \d+: Address already in use"):
                bind_tcp(Place(port=0, host="two.example"), infos)
            return
        sockets = bind_tcp(Place(port=0, host="two.example"), infos)
        assert len(bound) == 2 * failures + 2
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        for sock in sockets:
            sock.close()

    @pytest.mark.parametrize("missing", ["2001:db8::1", "192.0.2.1"])
    async def test_addresses_that_the_machine_lacks_are_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports, missing: str
    ) -> None:
        """As for "localhost" in a container without IPv6, whose /etc/hosts has ::1 all the same."""
        for addresses in ((missing, "127.0.0.1"), ("127.0.0.1", missing)):
            _resolves_to(monkeypatch, *addresses)
            async with wsrs.WebSocketServer(port=0, host="several.example") as server:
                address: Any = server.address()
                assert address["address"] == "127.0.0.1"
                async with wsrs.WebSocket(f"ws://127.0.0.1:{address['port']}") as ws:
                    assert ws.ready_state == wsrs.OPEN

    async def test_a_family_that_the_machine_lacks_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        _without_ipv6(monkeypatch, at="socket")
        _resolves_to(monkeypatch, "::1", "127.0.0.1")
        async with wsrs.WebSocketServer(port=0, host="localhost.example") as server:
            address: Any = server.address()
            assert address["address"] == "127.0.0.1"

    async def test_the_error_names_all_addresses_if_none_can_be_listened_on(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        _resolves_to(monkeypatch, "2001:db8::1", "192.0.2.1")
        server = wsrs.WebSocketServer(port=0, host="several.example")
        (error,) = await within(listen(server, "error"))
        assert error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
        assert "cannot listen on 2001:db8::1 port 0" in error.strerror
        assert "cannot listen on 192.0.2.1 port 0" in error.strerror

    async def test_an_address_that_is_taken_is_not_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        with socket.create_server(("127.0.0.2", 0)) as taken:
            port = taken.getsockname()[1]
            _resolves_to(monkeypatch, "127.0.0.1", "127.0.0.2")
            server = wsrs.WebSocketServer(port=port, host="several.example")
            (error,) = await within(listen(server, "error"))
            assert error.errno == errno.EADDRINUSE
        socket.create_server(("127.0.0.1", port)).close()

    if socket.has_dualstack_ipv6():

        @pytest.mark.parametrize("host", [None, "::", "0:0:0:0:0:0:0:0"])
        async def test_the_unspecified_address_listens_on_both_families(
            self, reports: Reports, host: str | None
        ) -> None:
            async with wsrs.WebSocketServer(port=0, host=host) as server:
                address: Any = server.address()
                assert (address["address"], address["family"]) == ("::", "IPv6")
                for url in (f"ws://[::1]:{address['port']}", f"ws://127.0.0.1:{address['port']}"):
                    async with wsrs.WebSocket(url) as ws:
                        assert ws.ready_state == wsrs.OPEN

        async def test_a_name_may_have_both_unspecified_addresses(
            self, monkeypatch: pytest.MonkeyPatch, reports: Reports
        ) -> None:
            _resolves_to(monkeypatch, "0.0.0.0", "::")
            async with wsrs.WebSocketServer(port=0, host="all.example") as server:
                port = server.address()["port"]  # type: ignore[index]
                for url in (f"ws://[::1]:{port}", f"ws://127.0.0.1:{port}"):
                    async with wsrs.WebSocket(url) as ws:
                        assert ws.ready_state == wsrs.OPEN

    @pytest.mark.parametrize("at", ["socket", "bind"])
    async def test_a_system_with_ipv6_but_no_such_address_listens_on_ipv4(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports, at: str
    ) -> None:
        _without_ipv6(monkeypatch, at=at)
        async with wsrs.WebSocketServer(port=0) as server:
            address: Any = server.address()
            assert (address["address"], address["family"]) == ("0.0.0.0", "IPv4")
        server = wsrs.WebSocketServer(port=0, host="::")
        (error,) = await within(listen(server, "error"))
        assert "cannot listen on :: port 0" in error.strerror

    async def test_a_port_that_is_taken_on_every_address_is_an_error(self, reports: Reports) -> None:
        async with wsrs.WebSocketServer(port=0) as server:
            address: Any = server.address()
            other = wsrs.WebSocketServer(port=address["port"])
            (error,) = await within(listen(other, "error"))
            assert error.errno == errno.EADDRINUSE

    async def test_a_socket_that_the_loop_cannot_serve_frees_its_port(
        self, monkeypatch: pytest.MonkeyPatch, reports: Reports
    ) -> None:
        def full(*_: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", full)
        server = HttpServer(ssl=_server_context())
        heard = listen(server, "error")
        server.listen(0, "127.0.0.1")
        address: Any = server.address()
        (error,) = await within(heard)
        assert error.errno == errno.ENOSPC
        assert server.address() is None
        with pytest.raises(OSError, match="No space left on device"):
            await server.wait_listening()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", address["port"]))


class TestSocketsOfTheCaller:
    async def test_a_given_socket_may_listen_already(self, serve: Serve) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        server = await serve(sock=sock)
        async with wsrs.WebSocket(server.url) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_a_given_socket_must_be_a_stream_socket(self, reports: Reports) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match="sock must be a stream socket"),
        ):
            wsrs.WebSocketServer(sock=sock)


if sys.platform == "linux":

    class TestBacklog:
        """How many connections the system completes before the server accepts one."""

        @pytest.mark.parametrize("backlog", [0, 3, None])
        @pytest.mark.parametrize("secure", [False, True])
        @pytest.mark.parametrize("kind", ["tcp", "unix", "handed over", "listening"])
        async def test_the_backlog_is_that_of_the_option_on_every_kind_of_socket(
            self, serve: Serve, transports: str, tmp_path: Path, kind: str, secure: bool, backlog: int | None
        ) -> None:
            place: Any = {"unix": tmp_path / "socket"} if kind == "unix" else {}
            if kind in ("handed over", "listening"):
                place["sock"] = socket.socket()
                place["sock"].bind(("127.0.0.1", 0))
            if kind == "listening":
                place["sock"].listen(2)
            server = await serve(**place, backlog=backlog, ssl=_server_context() if secure else None)
            (listening,) = server._http.server._serving.sockets
            # Linux completes one more than the backlog.
            assert _completed(listening, 10) == min(10, 511 if backlog is None else backlog + 1)
            url = server.url.replace("ws:", "wss:") if secure and kind != "unix" else server.url
            if not secure or kind != "unix":  # for which there is no address
                async with wsrs.WebSocket(url, reject_unauthorized=False) as ws:
                    assert ws.ready_state == wsrs.OPEN


def _completed(listening: socket.socket, attempts: int) -> int:
    """How many of some connections the system completes while the loop does not run."""
    clients = [socket.socket(listening.family) for _ in range(attempts)]
    try:
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        return sum(map(_is_connected, clients))
    finally:
        for client in clients:
            client.close()


def _is_connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True


class TestListen:
    """`listen` of an `HttpServer`."""

    async def test_listen_takes_what_node_gives_it(self, reports: Reports) -> None:
        options: Any = {"port": 0, "host": "127.0.0.1"}
        for arguments in ((options, None, None), (0, "127.0.0.1", 5)):
            called = asyncio.Event()
            server: Any = HttpServer()
            async with server:
                assert server.listen(*arguments, called.set) is server
                await within(called.wait())
                assert server.listening
                with pytest.raises(RuntimeError, match="the server listens already"):
                    server.listen(0)

    @pytest.mark.parametrize("options", [{}, {"port": 0, "unix": "/x"}, {"host": "127.0.0.1"}])
    async def test_exactly_one_place_must_be_given(self, reports: Reports, options: Any) -> None:
        with pytest.raises(TypeError, match='one and only one of "port", "unix" or "sock"'):
            HttpServer().listen(options)

    async def test_the_error_of_a_taken_port_reaches_each_waiting_task(self, reports: Reports) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = HttpServer().listen(taken.getsockname()[1], "127.0.0.1")
            for _ in range(2):
                with pytest.raises(OSError, match="cannot listen on"):
                    await server.wait_listening()
            with pytest.raises(OSError, match="cannot listen on"):
                async with server:
                    raise AssertionError("not entered")

    async def test_a_server_may_be_closed_before_it_listens(self, reports: Reports) -> None:
        server = HttpServer()
        listened: list[str] = []
        server.listen({"port": 0, "host": "127.0.0.1"})
        server.on("listening", lambda: listened.append("listening"))
        server.close()
        await within(server.wait_closed())
        await within(server.wait_listening())
        assert (server.address(), listened) == (None, [])

    async def test_a_closed_server_may_be_closed_again(self, reports: Reports) -> None:
        server = HttpServer()
        calls: list[Any] = []
        server.close(lambda *args: calls.append(args))
        server.close(lambda *args: calls.append(args))
        await within(server.wait_closed())
        called = asyncio.Event()

        def told(error: BaseException) -> None:
            calls.append(repr(error))
            called.set()

        server.close(told)
        server.close()
        await within(called.wait())
        await within(server.wait_closed())
        assert calls == [(), (), "RuntimeError('the server is not running')"]
