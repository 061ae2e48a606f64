"""Networks that write and read texts."""
