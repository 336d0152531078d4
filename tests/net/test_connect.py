"""Connecting to a server: looked-up addresses, happy eyeballs, families and local addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import wsrs
from wsrs._net.connect import interleave

from ..conftest import Reports, Serve
from ..peers import RawServer, within


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address and port that never answer: the accept queue is full, so SYNs are dropped."""
    family, host = (socket.AF_INET6, "::1") if _has_ipv6() else (socket.AF_INET, "127.0.0.2")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield host, listener.getsockname()[1]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


class TestSeveralAddresses:
    def test_addresses_of_both_families_take_turns(self) -> None:
        six, four = socket.AF_INET6, socket.AF_INET
        found: list[Any] = [(six, (1,)), (six, (2,)), (six, (1,)), (four, (3,)), (six, (4,)), (four, (5,))]
        assert [address for _, (address,) in interleave(found)] == [1, 3, 2, 5, 4]

    async def test_a_dead_ipv6_address_does_not_prevent_a_connection(self, serve: Serve) -> None:
        port = (await serve()).address()["port"]

        def lookup(host: str, options: Any) -> list[str]:
            assert host == "two.example"
            return ["::1", "127.0.0.1"]

        async with wsrs.WebSocket(f"ws://two.example:{port}", lookup=lookup) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_a_silent_address_does_not_prevent_a_connection(
        self, silent: tuple[str, int], serve: Serve, reports: Reports
    ) -> None:
        host, port = silent
        await serve(host="127.0.0.1", port=port)
        ws = wsrs.WebSocket(
            f"ws://two.example:{port}",
            lookup=lambda name, options: [host, "127.0.0.1"],
            autoSelectFamilyAttemptTimeout=20,
        )
        async with ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_giving_up_ends_all_attempts(self, silent: tuple[str, int], reports: Reports) -> None:
        host, port = silent
        ws = wsrs.WebSocket(
            f"ws://two.example:{port}",
            {"lookup": lambda name, options: [host, host], "handshakeTimeout": 50},
        )
        with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
            await within(ws.wait_open())

    async def test_the_error_names_the_addresses_if_all_fail(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            ws = wsrs.WebSocket(
                f"ws://two.example:{port}", lookup=lambda name, options: ["127.0.0.1", "127.0.0.2"]
            )
            with pytest.raises(OSError, match=str(port)):
                await within(ws.wait_open())


class TestLookup:
    @pytest.mark.parametrize("found", ["127.0.0.1", {"address": "127.0.0.1", "family": 4}, ["127.0.0.1"]])
    async def test_lookup_may_return_its_result(
        self, raw_server: RawServer, reports: Reports, found: Any
    ) -> None:
        seen: list[Any] = []

        async def lookup(host: str, options: Any) -> Any:
            seen.append((host, options["family"], options["all"], options["port"]))
            return found

        ws = wsrs.WebSocket(f"ws://some.example:{raw_server.port}", lookup=lookup, family=4)
        peer = await raw_server.accept()
        await within(ws.wait_open())
        assert seen == [("some.example", 4, True, raw_server.port)]
        peer.reset()

    async def test_lookup_may_call_back_as_in_node(self, raw_server: RawServer, reports: Reports) -> None:
        def lookup(host: str, options: Any, callback: Any) -> None:
            asyncio.get_running_loop().call_soon(callback, None, "127.0.0.1", 4)

        ws = wsrs.WebSocket(f"ws://some.example:{raw_server.port}", lookup=lookup)
        await raw_server.accept()
        await within(ws.wait_open())

    async def test_lookup_may_call_back_with_an_error(self, raw_server: RawServer, reports: Reports) -> None:
        def lookup(host: str, options: Any, callback: Any) -> None:
            callback(socket.gaierror(socket.EAI_NONAME, "no such host"))

        with pytest.raises(socket.gaierror, match="no such host"):
            await within(wsrs.WebSocket("ws://some.example", lookup=lookup).wait_open())

    async def test_an_ip_address_is_not_looked_up(self, raw_server: RawServer, reports: Reports) -> None:
        ws = wsrs.WebSocket(raw_server.url, lookup=lambda host, options: pytest.fail("looked up"))
        await raw_server.accept()
        await within(ws.wait_open())

    @pytest.mark.parametrize(
        ("found", "error", "text"),
        [
            ([], OSError, "found no address of 'some.example'"),
            (None, OSError, "found no address of 'some.example'"),
            ("elsewhere", OSError, "'elsewhere', which is not an IP address"),
            ([5], TypeError, "IP addresses as str, not 5"),
            ("::1", OSError, "found no address"),
        ],
    )
    async def test_bad_results_of_lookup_are_named(
        self, reports: Reports, found: Any, error: type[Exception], text: str
    ) -> None:
        ws = wsrs.WebSocket("ws://some.example", lookup=lambda host, options: found, family=4)
        with pytest.raises(error, match=text):
            await within(ws.wait_open())


class TestFamily:
    async def test_family_keeps_to_addresses_of_that_family(self, serve: Serve, reports: Reports) -> None:
        seen: list[Any] = []
        server = await serve(lambda ws, request: seen.append(request.socket.get_extra_info("peername")[0]))
        url = f"ws://some.example:{server.address()['port']}"

        def lookup(host: str, options: Any) -> Any:
            return ["::1", "127.0.0.1"]

        async with wsrs.WebSocket(url, lookup=lookup, family=4):
            assert seen == ["127.0.0.1"]
        with pytest.raises(OSError, match=r"some\.example"):
            await within(wsrs.WebSocket(url, lookup=lambda host, options: "127.0.0.1", family=6).wait_open())


class TestLocalAddress:
    async def test_local_address_is_where_the_connection_comes_from(self, serve: Serve) -> None:
        seen: list[Any] = []
        server = await serve(lambda ws, request: seen.append(request.socket.get_extra_info("peername")))
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        async with wsrs.WebSocket(server.url, local_address="127.0.0.1", localPort=port):
            assert seen == [("127.0.0.1", port)]

    async def test_a_local_address_of_another_family_than_the_server(
        self, raw_server: RawServer, reports: Reports
    ) -> None:
        with pytest.raises(OSError, match="no address of the family of '::1'"):
            await within(wsrs.WebSocket(raw_server.url, local_address="::1").wait_open())


class TestWhatTheSystemSays:
    """Attempts with every outcome that the system may give: the loop's `sock_connect` is a fake here."""

    async def test_if_two_attempts_connect_at_once_one_is_closed(
        self, echo: Any, reports: Reports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        socks: list[socket.socket] = []
        both = asyncio.Event()

        async def sock_connect(sock: socket.socket, address: Any) -> None:
            sock.setblocking(True)
            sock.connect(("127.0.0.1", address[1]))
            sock.setblocking(False)
            socks.append(sock)
            if len(socks) == 2:
                both.set()
            await both.wait()

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
        port = echo.address()["port"]
        url = f"ws://two.example:{port}"
        ways: Any = {"lookup": lambda *_: ["127.0.0.1", "127.0.0.2"], "autoSelectFamilyAttemptTimeout": 10}
        async with wsrs.WebSocket(url, ways) as ws:
            await ws.send("one")
            assert await within(ws.recv()) == "one"
            assert len(socks) == 2
            assert -1 in [sock.fileno() for sock in socks]
            assert echo.stats().total == 1

    async def test_an_attempt_that_connects_as_the_client_gives_up_is_closed(
        self, echo: Any, reports: Reports, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        socks: list[socket.socket] = []

        async def sock_connect(sock: socket.socket, address: Any) -> None:
            socks.append(sock)
            ws.terminate()

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
        ws = wsrs.WebSocket(
            echo.url.replace("127.0.0.1", "a.example"), lookup=lambda *_: ["127.0.0.1", "127.0.0.2"]
        )
        with pytest.raises(wsrs.HandshakeError, match="closed before the connection was established"):
            await within(ws.wait_open())
        await within(ws.wait_closed())
        await asyncio.sleep(0)
        assert [sock.fileno() for sock in socks] == [-1]

    @pytest.mark.parametrize(
        ("errors", "kind", "text"),
        [
            (
                [ConnectionRefusedError(1, "refused"), PermissionError(2, "denied")],
                OSError,
                "refused.*; .*denied",
            ),
            ([PermissionError(2, "denied"), PermissionError(2, "denied")], PermissionError, "denied"),
            ([MemoryError("no room")], MemoryError, "no room"),
        ],
    )
    async def test_the_error_names_each_failed_attempt(
        self,
        reports: Reports,
        monkeypatch: pytest.MonkeyPatch,
        errors: list[Exception],
        kind: type[Exception],
        text: str,
    ) -> None:
        left = list(errors)

        async def sock_connect(sock: socket.socket, address: Any) -> None:
            raise left.pop(0)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
        ws = wsrs.WebSocket("ws://a.example:1", lookup=lambda *_: ["127.0.0.1", "127.0.0.2"])
        with pytest.raises(kind, match=text):
            await within(ws.wait_open())


class TestLookupsOfAllKinds:
    async def test_lookup_may_be_a_coroutine_function_with_a_callback(self, serve: Serve) -> None:
        port = (await serve()).address()["port"]

        async def lookup(host: str, options: Any, callback: Any) -> None:
            await asyncio.sleep(0)
            callback(None, "127.0.0.1", 4)
            callback(OSError("late"))

        async with wsrs.WebSocket(f"ws://a.example:{port}", lookup=lookup) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_lookup_may_be_a_callable_with_unknown_parameters(self, serve: Serve) -> None:
        port = (await serve()).address()["port"]

        class Lookup:
            __signature__ = 1

            def __call__(self, host: str, options: Any) -> str:
                return "127.0.0.1"

        async with wsrs.WebSocket(f"ws://a.example:{port}", lookup=Lookup()) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_the_family_may_be_a_constant_of_socket(self, serve: Serve) -> None:
        port = (await serve()).address()["port"]
        ways: Any = {"lookup": lambda *_: ["::1", "127.0.0.1"], "family": socket.AF_INET}
        async with wsrs.WebSocket(f"ws://a.example:{port}", ways) as ws:
            assert ws.ready_state == wsrs.OPEN
