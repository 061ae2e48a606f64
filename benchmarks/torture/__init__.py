"""Attacks on whole trainings, one class in each file, with a table of what was tried and what survived."""
