"""Faults of the system, the network and the program itself: the other connections go on, measured."""
