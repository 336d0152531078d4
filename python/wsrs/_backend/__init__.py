"""What a core needs from Python, and what the API needs from a core."""
