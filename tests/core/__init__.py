"""Tests of a core alone, through the interface that `wsrs._backend.contract` states."""
