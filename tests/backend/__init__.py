"""The parts in Python that both cores use."""
