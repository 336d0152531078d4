"""The options and names of all classes, in both spellings."""
