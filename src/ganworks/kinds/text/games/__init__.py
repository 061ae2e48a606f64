"""Games on tokens."""
