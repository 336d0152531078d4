"""The names of ws, one by one: `table.py` lists them, the tests beside it show what each does."""
