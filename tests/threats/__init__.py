"""What has gone wrong in implementations of WebSocket: each class is a test here, in `table.py`'s order."""
