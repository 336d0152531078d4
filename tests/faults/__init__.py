"""Faults of the system, the network and the program: the tests check that the other connections go on."""
