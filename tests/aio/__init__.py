"""How `wsrs` uses asyncio: callbacks and waiting tasks."""
