"""A client's opening handshake, as a user of `WebSocket` sees it."""
