"""How good series are."""
