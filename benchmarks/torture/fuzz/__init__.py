"""Hostile values and files: what they are made of, and the child processes in which they are tried."""
