"""`create_websocket_stream`."""
