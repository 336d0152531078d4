"""The runner: what is measured (rows, servers), how (setup, measure, suite), and what comes of it."""
