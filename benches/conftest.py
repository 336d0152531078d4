"""This file makes pytest put its folder on the path, so that tests find the package `harness`."""
