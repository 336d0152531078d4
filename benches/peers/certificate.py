"""TLS for the peers: every one of them gets the same context."""

from __future__ import annotations

import ssl


def context(file: str) -> ssl.SSLContext:
    """A server's context with the certificate and the key in a PEM file: Python's defaults."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(file)
    return made
