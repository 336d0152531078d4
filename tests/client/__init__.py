"""A client's opening handshake: what a user of `WebSocket` sees of it."""
