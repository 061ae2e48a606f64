"""Networks that make waves or spectrograms."""
