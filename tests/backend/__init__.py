"""What a core needs from Python."""
