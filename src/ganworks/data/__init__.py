"""Specs, keyed randomness, readers and the packed memory-map."""
