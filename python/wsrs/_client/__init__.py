"""A client's opening handshake (RFC 6455 4.1)."""
