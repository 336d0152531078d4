"""The options of all classes: their two spellings, checks and tables."""
