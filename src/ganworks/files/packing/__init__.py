"""Decoded examples packed in a memory-mapped cache, and read back in batches."""
