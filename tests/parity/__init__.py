"""The names of ws: `table.py` lists them, and tests show what each of them does."""
