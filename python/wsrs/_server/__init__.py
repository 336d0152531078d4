"""The parts of `WebSocketServer`: its opening handshake (RFC 6455 4.2), broadcasts and options."""
