"""Autobahn's cases, run by the package kosoku in both roles; their results are compared with those kept
here."""
