"""Addresses and sockets: URLs, connecting, listening, proxies and a client's TLS."""
