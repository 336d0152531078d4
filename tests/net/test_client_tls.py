"""A client's TLS: which servers it trusts, which certificate it sends, and which options it refuses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs
from wsrs._net.client_tls import NameCheck, default_context

from ..conftest import Serve
from ..peers import RawServer, within

CERTIFICATE = Path(__file__).parents[1] / "localhost.pem"
ENCRYPTED = Path(__file__).parents[1] / "localhost-encrypted.pem"
"""The same certificate, with its key encrypted by the passphrase "secret"."""


class TestTls:
    @pytest.fixture
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return context

    async def test_messages_pass_both_ways_over_tls(self, serve: Serve, context: ssl.SSLContext) -> None:
        seen: list[Any] = []

        def verify(info: Any) -> bool:
            seen.append(info.secure)
            return True

        server = await serve(
            lambda ws, request: ws.on("message", lambda data, is_binary: ws.send(data, binary=is_binary)),
            ssl=context,
            verify_client=verify,
        )
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        url = f"wss://localhost:{server.address()['port']}"
        async with wsrs.WebSocket(url, ssl=trusting) as ws:
            for message in ("text", b"x" * 200_000):
                await ws.send(message)
                assert await within(ws.recv()) == message
        assert seen == [True]
        assert ws.url == url + "/"

    async def test_an_untrusted_certificate_fails_the_handshake(
        self, serve: Serve, context: ssl.SSLContext
    ) -> None:
        server = await serve(ssl=context)
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(wsrs.WebSocket(f"wss://localhost:{server.address()['port']}").wait_open())

    @pytest.mark.parametrize(
        "ca",
        [CERTIFICATE, str(CERTIFICATE), CERTIFICATE.read_text(), CERTIFICATE.read_bytes(), [CERTIFICATE]],
    )
    async def test_a_client_may_trust_its_own_authorities(
        self, serve: Serve, context: ssl.SSLContext, ca: Any
    ) -> None:
        server = await serve(ssl=context)
        async with wsrs.WebSocket(f"wss://localhost:{server.address()['port']}", ca=ca) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_a_client_may_accept_any_certificate(self, serve: Serve, context: ssl.SSLContext) -> None:
        url = f"wss://localhost:{(await serve(ssl=context)).address()['port']}"
        async with wsrs.WebSocket(url, {"rejectUnauthorized": False}) as ws:
            assert ws.ready_state == wsrs.OPEN
        options = {"reject_unauthorized": False, "ca": CERTIFICATE, "servername": "other.example"}
        async with wsrs.WebSocket(url, options) as ws:  # type: ignore[arg-type]
            assert ws.ready_state == wsrs.OPEN
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(wsrs.WebSocket(url).wait_open())

    async def test_the_name_in_the_certificate_is_checked(
        self, serve: Serve, context: ssl.SSLContext
    ) -> None:
        names: list[Any] = []
        context.sni_callback = lambda sock, name, context: names.append(name)
        port = (await serve(ssl=context)).address()["port"]
        url = f"wss://elsewhere.example:{port}"
        options = {"ca": CERTIFICATE, "lookup": lambda host, options: "127.0.0.1"}
        async with wsrs.WebSocket(url, options, servername="localhost") as ws:  # type: ignore[arg-type]
            assert ws.ready_state == wsrs.OPEN
        with pytest.raises(ssl.SSLCertVerificationError, match=r"elsewhere\.example"):
            await within(wsrs.WebSocket(url, options).wait_open())  # type: ignore[arg-type]
        assert names == ["localhost", "elsewhere.example"]

    @pytest.mark.parametrize("of_authority", [True, False])
    async def test_without_a_servername_no_name_is_told_and_that_of_the_address_is_checked(
        self, serve: Serve, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, of_authority: bool
    ) -> None:
        names: list[Any] = []
        requests: list[Any] = []
        context.sni_callback = lambda sock, name, context: names.append(name)
        server = await serve(lambda ws, request: requests.append(request.headers["host"]), ssl=context)
        port = server.address()["port"]
        options: Any = {"servername": "", "lookup": lambda host, options: "127.0.0.1"}
        if of_authority:
            options["ca"] = CERTIFICATE
        else:
            monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
            default_context.cache_clear()
        for host in ("localhost", "LOCALHOST.", "127.0.0.1"):
            async with wsrs.WebSocket(f"wss://{host}:{port}", options) as ws:
                assert ws.ready_state == wsrs.OPEN
        ws = wsrs.WebSocket(f"wss://elsewhere.example:{port}", options)
        with pytest.raises(
            ssl.SSLCertVerificationError, match=r"it is for localhost, not for 'elsewhere\.example'"
        ):
            await within(ws.wait_open())
        async with wsrs.WebSocket(f"wss://elsewhere.example:{port}", options, rejectUnauthorized=False) as ws:
            assert ws.ready_state == wsrs.OPEN
        default_context.cache_clear()
        assert set(names) == {None}
        # The request did not go to the server whose certificate is another's.
        assert requests == [f"{name}:{port}" for name in ("localhost", "localhost.", "127.0.0.1")] + [
            f"elsewhere.example:{port}"
        ]

    async def test_without_a_servername_an_ip_address_is_checked(
        self, serve: Serve, context: ssl.SSLContext
    ) -> None:
        requests: list[Any] = []
        server = await serve(lambda ws, request: requests.append(request), ssl=context, host="0.0.0.0")
        url = f"wss://127.0.0.2:{server.address()['port']}"
        ws = wsrs.WebSocket(url, {"servername": "", "ca": CERTIFICATE})
        with pytest.raises(
            ssl.SSLCertVerificationError, match=r"it is for 127\.0\.0\.1, .*not for '127\.0\.0\.2'"
        ):
            await within(ws.wait_open())
        assert requests == []

    async def test_the_context_of_the_program_decides_what_is_checked_without_a_servername(
        self, serve: Serve, context: ssl.SSLContext
    ) -> None:
        port = (await serve(ssl=context)).address()["port"]
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        trusting.check_hostname = False
        options: Any = {"lookup": lambda host, options: "127.0.0.1", "servername": "", "ssl": trusting}
        async with wsrs.WebSocket(f"wss://elsewhere.example:{port}", options) as ws:
            assert ws.ready_state == wsrs.OPEN

    @pytest.mark.parametrize(
        ("host", "name", "fits"),
        [
            ("a.example", "a.example", True),
            ("A.example", "a.EXAMPLE", True),
            ("a.example", "b.example", False),
            ("a.example", "example", False),
            ("a.example.org", "*.example.org", True),
            ("b.a.example.org", "*.example.org", False),
            ("example.org", "*.example.org", False),
            (".example.org", "*.example.org", False),
            ("example.org", "*.org", False),
            ("ab.example.org", "a*.example.org", False),
            ("a.example.org", "a.*.org", False),
            ("localhost", "*", False),
        ],
    )
    def test_which_names_of_a_certificate_fit(self, host: str, name: str, fits: bool) -> None:
        class Transport(asyncio.Transport):
            def get_extra_info(self, what: str, default: Any = None) -> Any:
                return {"peercert": {"subjectAltName": (("IP Address", "::1"), ("DNS", name))}}[what]

            def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
                done.append(protocol)

            def abort(self) -> None:
                done.append("aborted")

        done: list[Any] = []
        protocol = asyncio.Protocol()
        check = NameCheck(protocol, host)
        check.connection_made(Transport())
        assert done == ([protocol] if fits else ["aborted"])
        assert (check.error is None) == fits

    async def test_the_dot_that_ends_a_name_is_not_part_of_it(
        self, serve: Serve, context: ssl.SSLContext
    ) -> None:
        names: list[Any] = []
        context.sni_callback = lambda sock, name, context: names.append(name)
        port = (await serve(lambda ws, request: ws.send(request.headers["host"]), ssl=context)).address()[
            "port"
        ]
        url = f"wss://localhost.:{port}"
        async with wsrs.WebSocket(url, ca=CERTIFICATE, lookup=lambda host, options: "127.0.0.1") as ws:
            assert await within(ws.recv()) == f"localhost.:{port}"
        assert names == ["localhost"]

    @pytest.mark.parametrize(
        "identity",
        [
            {"cert": CERTIFICATE},
            {"cert": CERTIFICATE.read_text()},
            {"cert": CERTIFICATE.read_bytes(), "key": CERTIFICATE},
            {"cert": CERTIFICATE, "key": ENCRYPTED.read_text(), "passphrase": "secret"},
            {"cert": ENCRYPTED, "passphrase": b"secret"},
        ],
    )
    async def test_a_client_may_send_a_certificate(
        self, serve: Serve, context: ssl.SSLContext, identity: Any
    ) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(CERTIFICATE)
        seen: list[Any] = []
        server = await serve(
            lambda ws, request: seen.append(request.socket.get_extra_info("peercert")["subject"]),
            ssl=context,
        )
        url = f"wss://localhost:{server.address()['port']}"
        async with wsrs.WebSocket(url, {"ca": CERTIFICATE, **identity}):  # type: ignore[arg-type]
            assert seen == [((("commonName", "localhost"),),)]

    @pytest.mark.parametrize(
        ("identity", "error", "text"),
        [
            ({"cert": ENCRYPTED}, ValueError, "the key is encrypted and needs the option passphrase"),
            ({"cert": ENCRYPTED, "passphrase": "wrong"}, ssl.SSLError, f"'{ENCRYPTED}' cannot be loaded"),
            (
                {"cert": CERTIFICATE, "key": "-----BEGIN nothing"},
                ssl.SSLError,
                "the text given cannot be",
            ),
            (
                {"cert": "/nowhere/cert.pem"},
                FileNotFoundError,
                ": ./nowhere/cert.pem.",
            ),
            ({"ca": "/nowhere/ca.pem"}, FileNotFoundError, "No such file or directory: '/nowhere/ca.pem'"),
        ],
    )
    async def test_a_client_key_that_cannot_be_used_is_named(
        self, identity: Any, error: type[Exception], text: str | None
    ) -> None:
        with pytest.raises(error, match=text):
            wsrs.WebSocket("wss://localhost:1", identity)

    async def test_tls_runs_over_a_socket_of_the_caller(self, serve: Serve, context: ssl.SSLContext) -> None:
        server = await serve(ssl=context)
        sock = socket.create_connection(("127.0.0.1", server.address()["port"]))
        async with wsrs.WebSocket("wss://localhost", socket=sock, ca=CERTIFICATE) as ws:
            assert ws.ready_state == wsrs.OPEN

    async def test_a_server_without_tls_is_an_ssl_error(self, raw_server: RawServer) -> None:
        ws = wsrs.WebSocket(f"wss://127.0.0.1:{raw_server.port}")
        (await raw_server.peer()).write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await within(ws.wait_open())

    async def test_the_handshake_timeout_includes_the_tls_handshake(self, raw_server: RawServer) -> None:
        # This is long enough for TCP on a busy machine; a shorter one might not test the deadline of TLS.
        ws = wsrs.WebSocket(f"wss://127.0.0.1:{raw_server.port}", handshake_timeout=1)
        peer = await raw_server.peer()
        with pytest.raises(wsrs.HandshakeError, match="Opening handshake has timed out"):
            await within(ws.wait_open())
        assert (await peer.rest_or_reset())[:1] in (b"\x16", b"")
