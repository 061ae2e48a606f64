"""Evaluation of generated series."""
