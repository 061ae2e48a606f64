"""Generators and critics of texts."""
