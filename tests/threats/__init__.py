"""Faults that implementations of WebSocket have had: each class of them is in `table.py`, with its tests."""
