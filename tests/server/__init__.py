"""`WebSocketServer`: its handshake, its options, its broadcasts and its end."""
