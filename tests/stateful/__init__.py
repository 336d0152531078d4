"""Random calls in random states, on both ends of live connections: what must hold all the same."""
