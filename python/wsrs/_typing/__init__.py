"""Types for type checkers alone: options and listeners."""
