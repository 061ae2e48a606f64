"""What everything stands on: errors, settings, the contract, names, keyed randomness. It knows no kind of data."""

PARTS = {"config": "settings:Config"}
