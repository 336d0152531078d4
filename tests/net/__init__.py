"""Addresses and sockets: connecting, listening, proxies, and a client's TLS."""
