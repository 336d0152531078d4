"""What `wsrs` asks of asyncio: callbacks and tasks."""
