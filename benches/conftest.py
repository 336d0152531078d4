"""Lying here, it lets pytest find the package `harness`."""
