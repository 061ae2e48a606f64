"""Networks that make and see series."""
