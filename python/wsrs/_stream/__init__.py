"""The parts of `WebSocketStream`: its reading and writing ends."""
