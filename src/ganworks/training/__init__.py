"""The one training loop, and what prepares and watches it."""
