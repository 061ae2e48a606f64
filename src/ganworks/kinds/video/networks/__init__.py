"""Networks that make and see clips."""
