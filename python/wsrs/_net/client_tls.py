"""The TLS of a client: it makes an `ssl.SSLContext` from the options that Node's `tls.connect` knows."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from wsrs._net.connect import is_ip

__all__ = ["NameCheck", "client_context", "default_context", "explain"]


@lru_cache(maxsize=3)
def default_context(verified: bool = True, named: bool = True) -> ssl.SSLContext:
    """Return the context for no options. It is made once, as reading the authorities takes milliseconds."""
    return _relaxed(ssl.create_default_context(), verified, named)


class NameCheck(asyncio.Protocol):
    """Connects `protocol` if the server's certificate is for `host`.

    OpenSSL checks that only if the server is told the name.
    """

    def __init__(self, protocol: asyncio.Protocol, host: str) -> None:
        self._protocol = protocol
        self._host = host
        self.error: ssl.SSLCertVerificationError | None = None

    def connection_made(self, transport: Any) -> None:
        """Hand the connection on, or end it before anything is sent."""
        certificate = transport.get_extra_info("peercert")
        kind, matches = ("IP Address", _is_same_ip) if is_ip(self._host) else ("DNS", _is_name_of)
        names = [value for each, value in certificate.get("subjectAltName", ()) if each == kind]
        if any(matches(self._host, name) for name in names):
            transport.set_protocol(self._protocol)
            self._protocol.connection_made(transport)
            return
        text = f"certificate verify failed: it is for {', '.join(names) or 'no name'}, not for {self._host!r}"
        self.error = ssl.SSLCertVerificationError(1, text)
        transport.abort()


def _is_name_of(host: str, name: str) -> bool:
    """Whether a certificate for `name` is one for `host`: a "*" is the whole first label (RFC 9525 6.3)."""
    host, name = host.lower(), name.lower()
    label, _, domain = host.partition(".")
    return name == host or (bool(label) and "." in domain and name == f"*.{domain}")


def _is_same_ip(host: str, name: str) -> bool:
    """Whether `name`, which has no zone in a certificate, is the IP address `host`."""
    return ipaddress.ip_address(name.strip()) == ipaddress.ip_address(host.partition("%")[0])


def client_context(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Return the context that `ca`, `cert`, `key` and `passphrase` ask for; None for the default one.

    Raises OSError if a file cannot be read, and ssl.SSLError or ValueError if its content is bad.
    """
    verified = options["reject_unauthorized"]
    if options["ssl"] is not None:
        context: ssl.SSLContext = options["ssl"]
        return context
    named = options["servername"] != ""
    if options["ca"] is None and options["cert"] is None:
        return None if verified and named else default_context(verified, named)
    if options["ca"] is None:
        context = ssl.create_default_context()
    else:
        # As in Node: the authorities that are given replace the system's.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for each in options["ca"]:
            with _naming(each):
                _trust(context, each)
    if options["cert"] is not None:
        with _naming(options["cert"], options["key"]):
            _identify(context, options["cert"], options["key"], options["passphrase"])
    return _relaxed(context, verified, named)


def explain(error: ssl.SSLError) -> None:
    """Add to the `error` of a TLS handshake that the server's answer was not TLS, if that is the reason."""
    if error.reason == "WRONG_VERSION_NUMBER" and isinstance(error.strerror, str):
        error.strerror += ": the server may not use TLS, and then the address must begin with ws:"


@contextmanager
def _naming(*values: str | bytes | None) -> Iterator[None]:
    """Name the files in an error that is raised while they are loaded: OpenSSL's errors name none."""
    try:
        yield
    except OSError as error:
        given = (value for value in values if value is not None)
        names = " with ".join("the text given" if _is_text(one) else repr(os.fsdecode(one)) for one in given)
        if isinstance(error, ssl.SSLError):
            raise ssl.SSLError(f"WebSocket: {names} cannot be loaded: {error}") from error
        raise type(error)(error.errno, f"{error.strerror}: {names}") from error


def _relaxed(context: ssl.SSLContext, verified: bool, named: bool) -> ssl.SSLContext:
    """`context`, which checks the certificate if `verified`, and if `named` also its name."""
    context.check_hostname = verified and named
    if not verified:
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_text(value: str | bytes) -> bool:
    return ("-----BEGIN" if isinstance(value, str) else b"-----BEGIN") in value  # type: ignore[operator]


def _trust(context: ssl.SSLContext, authority: str | bytes) -> None:
    if _is_text(authority):
        context.load_verify_locations(
            cadata=authority if isinstance(authority, str) else authority.decode("ascii")
        )
    else:
        context.load_verify_locations(cafile=authority)


def _identify(
    context: ssl.SSLContext, cert: str | bytes, key: str | bytes | None, passphrase: str | bytes | None
) -> None:
    """Load our own certificate. Python's ssl reads files only, so texts are written to private ones."""
    import tempfile  # Few clients need it, and it would take a tenth of the time of `import wsrs`.

    def without_asking() -> str | bytes:
        # Without a callback OpenSSL would ask at the terminal, and the event loop would wait for the answer.
        if passphrase is None:
            raise ValueError("WebSocket: the key is encrypted and needs the option passphrase")
        return passphrase

    with tempfile.TemporaryDirectory(prefix="wsrs-") as folder:
        paths = [
            _as_file(os.path.join(folder, name), value)
            for name, value in (("cert", cert), ("key", key))
            if value is not None
        ]
        context.load_cert_chain(paths[0], paths[1] if len(paths) == 2 else None, without_asking)


def _as_file(path: str, value: str | bytes) -> str | bytes:
    if not _is_text(value):
        return value
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(value.encode() if isinstance(value, str) else value)
    return path
