"""How good clips are."""
