"""`WebSocket` once it is open, at either end."""
