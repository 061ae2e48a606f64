"""Evaluation of generated texts."""
