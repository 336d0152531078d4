"""TLS for the peers: all of them get the same context."""

from __future__ import annotations

import ssl


def context(file: str) -> ssl.SSLContext:
    """A server's context with Python's defaults, and the certificate and key of a PEM file."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(file)
    return made
