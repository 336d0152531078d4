"""The parts of `WebSocket`: its life, its heartbeat and its statistics."""
