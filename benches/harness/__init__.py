"""The runner: what it measures (rows, servers), how (setup, measure, suite), and what it renders (pages)."""
