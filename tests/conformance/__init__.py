"""Autobahn's cases, by the package kosoku, in both roles; the results are compared with those kept here."""
