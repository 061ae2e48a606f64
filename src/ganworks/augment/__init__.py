"""Augment of ganworks; see docs/six-words.md."""
