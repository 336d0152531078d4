"""What asyncio needs: the user's callbacks, tasks that wait, and a fault of older Pythons."""
