"""Random calls in random states on both ends of live connections, with invariants that must hold."""
