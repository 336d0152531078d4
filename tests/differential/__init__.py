"""Both cores side by side: the same bytes, cuts, options and calls must have the same effects."""
