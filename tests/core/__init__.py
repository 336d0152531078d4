"""Tests of a core alone, against the seam of `wsrs._backend.contract`."""
