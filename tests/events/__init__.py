"""Listeners: `EventEmitter` and `EventTarget`."""
