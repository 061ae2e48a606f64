"""Evaluation of generated sound."""
