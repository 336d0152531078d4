"""The options of a client that are refused, with the reasons."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import wsrs

from ..conftest import Serve


def nothing(*args: Any) -> None:
    """A function for an option."""


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"family": 5}, ValueError, "family must be 0, 4 or 6, not 5"),
            ({"family": "4"}, TypeError, "family must be an int, not str"),
            ({"localAddress": "here"}, ValueError, "localAddress must be an IP address, not 'here'"),
            ({"local_port": 5}, ValueError, "local_port needs local_address"),
            ({"lookup": "x"}, TypeError, "lookup must be callable"),
            ({"agent": True}, TypeError, "agent must be False or have a method create_connection: True"),
            ({"socket": 5}, TypeError, "socket must be a socket or a transport, not int"),
            ({"createConnection": nothing, "proxy": "http://h"}, ValueError, "create_connection cannot be"),
            ({"proxy": "http://h", "lookup": nothing}, ValueError, "lookup has no meaning beside proxy"),
            ({"proxy": 5}, TypeError, "proxy must be a str, not int"),
            ({"proxy": "ftp://me:secret@h"}, ValueError, "the scheme must be one of http, .*, not 'ftp'"),
            ({"proxy": "http://"}, ValueError, "proxy is an invalid URL: 'http://': empty host"),
            ({"proxy": "http://h/x"}, ValueError, "nothing may follow the host and port of 'h'"),
            ({"proxy": "http://h:99999"}, ValueError, "proxy is an invalid URL"),
            ({"timeout": 5}, TypeError, "option 'timeout' of Node is not accepted: handshake_timeout"),
            ({"socketPath": "/x"}, TypeError, "option 'socketPath' of Node .*: the address says it"),
            ({"handshakeTimeOut": 5}, TypeError, "unknown option 'handshakeTimeOut'; .* 'handshake_t"),
            ({"perMessageDeflate": {"serverMaxWindowBits": True}}, TypeError, "serverMaxWindowBits must be"),
        ],
    )  # fmt: skip
    async def test_options_that_a_plain_address_refuses(
        self, options: Any, error: type[Exception], text: str
    ) -> None:
        with pytest.raises(error, match=text) as caught:
            wsrs.WebSocket("ws://me:secret@localhost:1", options)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"ssl": ssl.create_default_context(), "ca": "x"}, ValueError, "ca cannot be combined with ssl"),
            ({"key": "x"}, ValueError, "key needs cert"),
            ({"minVersion": "TLSv1.3"}, TypeError, "option 'minVersion' of Node .* give one as ssl"),
            ({"ALPNProtocols": ["x"]}, TypeError, "option 'ALPNProtocols' of Node .* give one as ssl"),
            ({"passphrase": "x"}, ValueError, "passphrase needs cert"),
            ({"passphrase": 5, "cert": "x"}, TypeError, "passphrase must be a str or bytes, not int"),
            ({"ca": 5}, TypeError, "ca must be a PEM text or a path, not int"),
            ({"ca": ["/none", 5]}, TypeError, "ca must be a PEM text or a path, not int"),
            ({"cert": ""}, ValueError, "cert must not be empty"),
            ({"ca": "/none/at/all"}, FileNotFoundError, "No such file"),
            ({"ca": "-----BEGIN CERTIFICATE-----"}, ssl.SSLError, None),
            ({"servername": "a b"}, ValueError, "servername must be a host name, not 'a b'"),
            ({"servername": "", "ssl": ssl.create_default_context()}, ValueError, "cannot check_hostname"),
            ({"rejectUnauthorized": 0}, TypeError, "rejectUnauthorized must be a bool, not int"),
        ],
    )
    async def test_options_that_a_secure_address_refuses(
        self, options: Any, error: type[Exception], text: str | None
    ) -> None:
        with pytest.raises(error, match=text):
            wsrs.WebSocket("wss://localhost:1", options)

    async def test_options_that_a_unix_socket_refuses(self) -> None:
        with pytest.raises(ValueError, match=r"proxy has no meaning for 'ws\+unix:/a:/'"):
            wsrs.WebSocket("ws+unix:/a:/", proxy="socks5://h")

    async def test_what_another_kind_of_address_needs_is_not_read(self, serve: Serve, tmp_path: Path) -> None:
        """The address may be one of several in a configuration, as in Node."""
        secure: Any = {
            "ca": "/none/at/all",
            "cert": "/none/at/all",
            "key": "/none/at/all",
            "passphrase": "x",
            "rejectUnauthorized": False,
            "servername": "elsewhere.example",
        }
        tcp: Any = {"family": 4, "local_address": "127.0.0.1", "lookup": nothing}
        cases: list[tuple[str, Any]] = [
            ((await serve()).url, secure),
            ((await serve()).url, {"ssl": ssl.create_default_context()}),
            ((await serve(unix=tmp_path / "socket")).url, {**secure, **tcp}),
        ]
        for url, options in cases:
            async with wsrs.WebSocket(url, options) as ws:
                assert ws.ready_state == wsrs.OPEN

    async def test_they_are_read_if_a_redirect_may_lead_to_one(self) -> None:
        with pytest.raises(FileNotFoundError, match="/none/at/all"):
            wsrs.WebSocket("ws://localhost:1", ca="/none/at/all", follow_redirects=True)

    async def test_a_socket_cannot_follow_redirects(self) -> None:
        with socket.socket() as sock, pytest.raises(ValueError, match="it serves one request"):
            wsrs.WebSocket("ws://h", socket=sock, follow_redirects=True)
        with (
            socket.socket(type=socket.SOCK_DGRAM) as sock,
            pytest.raises(ValueError, match="a stream socket"),
        ):
            wsrs.WebSocket("ws://h", socket=sock)

    async def test_protocols_given_twice_are_refused(self) -> None:
        with pytest.raises(TypeError, match="'protocols' is given twice"):
            wsrs.WebSocket("ws://h", ["a"], protocols=["b"])


class TestWrongTypes:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"local_address": 127}, "local_address must be a str, not int"),
            ({"servername": 1}, "servername must be a str, not int"),
            ({"headers": {1: "x"}}, "the name of a header must be a str, not int"),
            ({"headers": "Cookie: a"}, "headers must be a mapping or pairs, not str"),
            ({"headers": [("a", "b", "c")]}, "pairs; one of them is not a pair but tuple"),
        ],
    )
    async def test_wrong_types_of_client_options_are_named(self, options: Any, text: str) -> None:
        with pytest.raises(TypeError, match=text):
            wsrs.WebSocket("wss://localhost:1", **options)
