"""Errors, settings, the contracts, names and keyed randomness: all else builds on them. They know no kind of data."""

PARTS = {"config": "settings:Config"}
