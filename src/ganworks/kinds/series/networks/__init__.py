"""Generators and discriminators of series."""
