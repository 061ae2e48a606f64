"""Games on texts as token sequences."""
