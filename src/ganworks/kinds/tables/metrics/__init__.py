"""Evaluation of generated tables: quality and privacy."""
