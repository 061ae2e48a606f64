"""How good texts are."""
