"""How good rows are, and how private."""
